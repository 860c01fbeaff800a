//! Ends of QEMUs while no process of multivm heard libvirt's events, between two processes of one run.

use std::time::{Instant, SystemTime};

use super::AddedLog;
use crate::libvirt::{Detail, EventKind, HostEvent, LifecycleEvent};

/// The ends of QEMUs by themselves that libvirt has written into their logs.
pub fn ends_in(logs: &[AddedLog]) -> Vec<HostEvent> {
    logs.iter().flat_map(ends_in_log).collect()
}

/// `2026-11-26 10:12:07.585+0000: shutting down, reason=crashed` (qemuProcessStop in src/qemu/qemu_process.c). The other reasons are
/// orders to libvirt, or are what a migration came to.
fn ends_in_log(log: &AddedLog) -> Vec<HostEvent> {
    const END: &str = ": shutting down, reason=crashed";
    let name = log.path.strip_prefix("/var/log/libvirt/qemu/").and_then(|name| name.strip_suffix(".log"));
    let Some(domain) = name else { return Vec::new() };
    let end = |line: &str| HostEvent {
        host: log.machine.as_str().into(),
        domain: domain.to_owned(),
        at: Instant::now(),
        wall: line.strip_suffix(END).and_then(wall).unwrap_or_else(SystemTime::now),
        kind: EventKind::Lifecycle { event: LifecycleEvent::Stopped, detail: Detail::Crashed },
    };
    log.text.lines().filter(|line| line.ends_with(END)).map(end).collect()
}

/// A time as libvirt writes it.
fn wall(time: &str) -> Option<SystemTime> {
    let time = time.strip_suffix("+0000")?;
    humantime::parse_rfc3339_weak(&format!("{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libvirt 11.3 writes the log of a QEMU.
    #[test]
    fn ends_that_nobody_heard_of_are_in_the_logs() {
        let text = "2026-11-26 10:11:00.000+0000: starting up libvirt version: 11.3.0\n\
                    2026-11-26 10:11:30.000+0000: shutting down, reason=migrated\n\
                    2026-11-26 10:12:07.585+0000: shutting down, reason=crashed\n\
                    2026-11-26 10:13:07.585+0000: shutting down, reason=destroyed\n\
                    2026-11-26 10:14:07.585+0000: shutting down, reason=failed\n";
        let log = |path: &str| AddedLog { machine: "source".into(), path: path.into(), text: text.into() };
        let console = log("/var/log/libvirt/libvirtd.log");
        let ends = ends_in(&[log("/var/log/libvirt/qemu/vm2.log"), console]);
        let told = |end: &HostEvent| {
            let at = humantime::format_rfc3339_millis(end.wall);
            format!("{} of {} {} at {at}", end.kind, end.domain, end.host)
        };
        let expected = "stopped (crashed) of vm2 source at 2026-11-26T10:12:07.585Z";
        assert_eq!(ends.iter().map(told).collect::<Vec<_>>(), [expected]);
    }
}
