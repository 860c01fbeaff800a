//! No QEMU broke: none of a guest's ended by itself, and none wrote down that it failed, from one scenario's end to the next one's.
//!
//! A QEMU that has handed its guest over is missed by nobody: what it does at its end shows in libvirt's events and in its own log,
//! and nowhere else.

use std::collections::HashMap;
use std::time::Instant;

use super::lost::{AFTER_ALL, BETWEEN};
use super::{
    About, Advice, AfterAll, Asked, Check, Close, End, LegEnd, Moment, Outage, Proof, Scene, StepEnd,
};
use crate::failure::Result;
use crate::guest::{Fleet, qemu_log_path};
use crate::host::AddedLog;
use crate::libvirt::HostEvent;
use crate::plan::Leg;

pub static ABOUT: About = About {
    id: "qemu",
    summary: "no QEMU broke",
    how: "on both hosts, from the end of the scenario before to this one's: no QEMU of a guest ends without being told to (libvirt's \
          `stopped (crashed)` and `stopped (failed)`), except the one that was to receive a guest whose migration failed; and none \
          writes an assertion, an abort, a broken heap or a fatal error into its log",
    asked: &[Moment::Step, Moment::End],
    advice: &[ENDED, SAID],
    ..About::BASE
};

const ENDED: Advice = Advice::new(
    "a QEMU ended by itself",
    "the guest's log of that host in the evidence has QEMU's last words and libvirt's reason; is there a core file, or did somebody \
     kill the process?",
);

const SAID: Advice = Advice::new(
    "a QEMU wrote that it failed",
    "the line is QEMU's own, in the guest's log of that host in the evidence: look for it in QEMU's issues, with both hosts' versions",
);

/// The check.
pub struct QemuSound;

impl Check for QemuSound {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn after_all(&self, after: &AfterAll<'_>) -> Vec<Proof> {
        let proof = |end: &HostEvent| Some(ended(end, None, Some(AFTER_ALL))?.of(&end.domain));
        after.ends.iter().filter_map(proof).collect()
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(QemuAsked { fleet: scene.fleet, began: Instant::now(), last: HashMap::new() }))
    }
}

struct QemuAsked<'a> {
    fleet: &'a Fleet,
    began: Instant,
    /// Each guest's last move.
    last: HashMap<String, PastMove>,
}

#[derive(Debug, Clone)]
struct PastMove {
    leg: Leg,
    /// The host at which the guest should have arrived and has not; none of a migration that succeeded.
    missed: Option<String>,
}

impl Asked for QemuAsked<'_> {
    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        let to = &self.fleet.hosts.get(end.leg.to()).entry.name;
        let missed = (!end.report.completed).then(|| to.clone());
        self.last.insert(end.guest.name.clone(), PastMove { leg: end.leg, missed });
    }

    /// Now it is known which migrations failed.
    fn on_step(&mut self, _end: &StepEnd<'_>) -> Vec<Proof> {
        self.ends()
    }

    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        self.ends()
    }

    fn at_close(&mut self, close: &Close<'_>) -> Vec<Proof> {
        let mut proofs = self.ends();
        // Logs that could not be collected are the scenario's failure.
        let Ok(logs) = close.logs else { return proofs };
        let guests = self.fleet.guests.iter().map(|guest| guest.name.as_str());
        let said: Vec<(&str, Proof)> = guests
            .flat_map(|guest| logs.iter().filter_map(move |log| Some((guest, said(guest, log)?))))
            .collect();
        if proofs.is_empty() && said.is_empty() {
            proofs.push(Proof::new(&ABOUT, true, "no QEMU ends by itself, or writes that it fails", "none"));
        }
        proofs.extend(said.into_iter().map(|(guest, proof)| proof.of(guest).after(self.leg(guest))));
        proofs
    }
}

impl QemuAsked<'_> {
    fn leg(&self, guest: &str) -> Option<Leg> {
        self.last.get(guest).map(|last| last.leg)
    }

    /// Whether a QEMU ended on the host where its guest was.
    fn is_with_its_guest(&self, end: &HostEvent) -> bool {
        let guest = self.fleet.guest(&end.domain);
        guest.is_some_and(|guest| self.fleet.hosts.get(guest.side()).entry.name == *end.host)
    }

    fn ends(&self) -> Vec<Proof> {
        let ends = self.fleet.hosts.qemu_ends.take().into_iter();
        let ends = ends.filter(|end| self.fleet.guest(&end.domain).is_some());
        ends.filter_map(|end| {
            let last = self.last.get(&end.domain);
            let is_early = end.at < self.began;
            let when = is_early.then_some(BETWEEN);
            let proof = ended(&end, last, when)?;
            // A guest that was lost before the scenario has been made anew for it, and one that has gone is well elsewhere.
            let took_its_guest = !is_early && self.is_with_its_guest(&end);
            let proof = if took_its_guest { proof.tells(Outage::cause(end.at)) } else { proof };
            Some(proof.of(&end.domain).after(self.leg(&end.domain)))
        })
        .collect()
    }
}

/// A QEMU that ended, unless that is what the failure of its guest's last move came to; `when` tells which time that was.
fn ended(end: &HostEvent, last: Option<&PastMove>, when: Option<&str>) -> Option<Proof> {
    let missed = last.and_then(|last| last.missed.as_deref());
    if missed == Some(&*end.host) {
        return None;
    }
    let at = humantime::format_rfc3339_millis(end.wall);
    let when = when.map_or_else(String::new, |when| format!(", {when}"));
    let seen = format!("{} on {} at {at}{when}", end.kind, end.host);
    Some(Proof::new(&ABOUT, false, "the guest's QEMU ends when it is told to", seen).advise(&ENDED))
}

/// The number of lines that are shown; the rest is in the evidence.
const SHOWN: usize = 4;

/// What a QEMU of a guest wrote of its failure, if this is its log.
fn said(guest: &str, log: &AddedLog) -> Option<Proof> {
    if log.path != qemu_log_path(guest) {
        return None;
    }
    let lines: Vec<&str> = log.text.lines().filter(|line| is_failure(line)).collect();
    if lines.is_empty() {
        return None;
    }
    let mut seen = format!("on {}:", log.machine);
    lines.iter().take(SHOWN).for_each(|line| seen += &format!("\n{line}"));
    if lines.len() > SHOWN {
        seen += &format!("\nand {} more", lines.len() - SHOWN);
    }
    Some(Proof::new(&ABOUT, false, "QEMU writes of no failure of its own into its log", seen).advise(&SAID))
}

/// What programs write when they end themselves: assert(3) of glibc, GLib's assertions, a heap that glibc finds broken, a stack
/// that the compiler's guard does, a sanitizer; and QEMU for a CPU that cannot go on (cpu_abort in cpu-target.c, hw_error in
/// system/cpus.c, kvm_cpu_exec in accel/kvm/kvm-all.c).
fn is_failure(line: &str) -> bool {
    const WORDS: [&str; 18] = [
        ": Assertion `",
        ": assertion failed",
        ": code should not be reached",
        ": should not be reached",
        "Bail out!",
        "malloc(): ",
        "malloc_consolidate(): ",
        "free(): ",
        "realloc(): ",
        "double free or corruption",
        "corrupted size vs. prev_size",
        "corrupted double-linked list",
        "*** stack smashing detected",
        "ERROR: AddressSanitizer",
        "qemu: fatal: ",
        "qemu: hardware error: ",
        "KVM internal error. Suberror: ",
        "error: kvm run failed ",
    ];
    WORDS.iter().any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rstest::rstest;

    use super::*;
    use crate::libvirt::{Detail, EventKind, LifecycleEvent};
    use crate::plan::Direction;

    fn end(host: &str, at: Instant) -> HostEvent {
        HostEvent {
            host: host.into(),
            domain: "vm1".into(),
            at,
            wall: SystemTime::UNIX_EPOCH,
            kind: EventKind::Lifecycle { event: LifecycleEvent::Stopped, detail: Detail::Failed },
        }
    }

    fn last(missed: Option<&str>) -> PastMove {
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        PastMove { leg, missed: missed.map(str::to_owned) }
    }

    #[rstest]
    #[case::before_any_move(None, "source", true)]
    #[case::after_its_guest_has_gone(Some(None), "source", true)]
    #[case::with_its_guest(Some(None), "target", true)]
    #[case::it_was_to_receive_a_guest(Some(Some("target")), "target", false)]
    #[case::it_was_to_send_one(Some(Some("target")), "source", true)]
    fn an_end_that_nobody_wanted_is_found(
        #[case] moved: Option<Option<&str>>,
        #[case] host: &str,
        #[case] found: bool,
    ) {
        let moved = moved.map(last);
        assert_eq!(ended(&end(host, Instant::now()), moved.as_ref(), None).is_some(), found);
    }

    #[test]
    fn an_end_outside_of_scenarios_is_called_that() {
        let seen = |when| ended(&end("source", Instant::now()), None, when).unwrap().seen;
        assert_eq!(seen(None), "stopped (failed) on source at 1970-01-01T00:00:00.000Z");
        assert!(seen(Some(AFTER_ALL)).ends_with("Z, after the last scenario"));
    }

    #[rstest]
    #[case(
        "qemu-system-x86_64: ../../block/block-backend.c:1806: blk_drain: Assertion `qemu_in_main_thread()' failed."
    )]
    #[case(
        "ERROR:../../accel/tcg/cpu-exec.c:980:cpu_exec_longjmp_cleanup: assertion failed: (cpu == current_cpu)"
    )]
    #[case(
        "Bail out! ERROR:../../accel/tcg/cpu-exec.c:980:cpu_exec_longjmp_cleanup: assertion failed: (cpu == current_cpu)"
    )]
    #[case("free(): invalid pointer")]
    #[case("qemu: fatal: Trying to execute code outside RAM or ROM at 0x00000000000b0000")]
    #[case("KVM internal error. Suberror: 1")]
    fn a_qemu_that_fails_says_so(#[case] line: &str) {
        let log = |path: &str| AddedLog {
            machine: "source".into(),
            path: path.into(),
            text: format!("2026-11-26 10:00:00.000+0000: starting up\n{line}\n"),
        };
        let proof = said("vm1", &log("/var/log/libvirt/qemu/vm1.log")).unwrap();
        assert_eq!(proof.seen, format!("on source:\n{line}"));
        assert!(said("vm1", &log("/var/log/libvirt/qemu/vm2.log")).is_none());
        assert!(said("vm1", &log("/var/log/libvirt/qemu/vm1-console.log")).is_none());
    }

    /// As QEMU 10.0 and libvirt 11.3 write in scenarios in which nothing is wrong, and in migrations that fail.
    #[rstest]
    #[case(
        "2026-11-26T10:12:07.158571Z qemu-system-x86_64: terminating on signal 15 from pid 812 (/usr/sbin/libvirtd)"
    )]
    #[case("2026-11-26 10:12:07.585+0000: shutting down, reason=migrated")]
    #[case(
        "2026-11-26T10:12:07.158571Z qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID[eax=01h]"
    )]
    #[case(
        "2026-11-26T10:12:07.158571Z qemu-system-x86_64: Unable to read from socket: Connection reset by peer"
    )]
    #[case("-device {\"driver\":\"pvpanic\"} -msg timestamp=on")]
    fn a_qemu_that_ends_as_it_is_told_says_other_things(#[case] line: &str) {
        assert!(!is_failure(line));
    }
}
