//! Panics of kernels while no process of multivm followed their consoles, between two processes of one run.

use std::collections::HashMap;
use std::time::Instant;

use super::console::{Panic, ended_by};
use super::domain::guest_of_console;
use crate::host::AddedLog;

/// The panics on those consoles that are among the logs, by the guests' names.
pub fn panics_in(logs: &[AddedLog]) -> HashMap<String, Panic> {
    let (mut panics, at) = (HashMap::new(), Instant::now());
    for log in logs {
        let Some(guest) = guest_of_console(&log.path) else { continue };
        let mut begun = HashMap::new();
        for words in log.text.lines().filter_map(|line| ended_by(line, guest, &mut begun)) {
            panics.insert(guest.to_owned(), Panic { host: log.machine.clone(), words, at });
        }
    }
    panics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_nobody_followed_is_on_the_console() {
        let text = "[   52.204119] Kernel panic - not syncing: sysrq triggered crash\r\n\
                    [   52.210001] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\r\n";
        let log = |path: &str| AddedLog { machine: "source".into(), path: path.into(), text: text.into() };
        let logs = [log("/var/log/libvirt/qemu/vm2-console.log"), log("/var/log/libvirt/qemu/vm1.log")];
        let panics = panics_in(&logs);
        assert_eq!(panics.keys().collect::<Vec<_>>(), ["vm2"]);
        assert_eq!(panics["vm2"].to_string(), "its kernel panicked on source: sysrq triggered crash");
    }
}
