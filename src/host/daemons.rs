//! What daemons held at the first look after a scenario of the run, in whichever of its processes that was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::remote::protocol::Daemon;
use crate::sys::handover::Handover;
use crate::sys::parallel::locked;

/// What a daemon holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonUsage {
    /// How many file descriptors it has open.
    pub descriptors: u64,
    /// Memory that it has resident.
    pub resident_bytes: u64,
}

impl From<&Daemon> for DaemonUsage {
    fn from(daemon: &Daemon) -> DaemonUsage {
        DaemonUsage { descriptors: daemon.descriptors, resident_bytes: daemon.resident_bytes }
    }
}

/// A daemon at the end of the first scenario in which it ran. A restarted one is another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct NotedDaemon {
    pid: i32,
    start: u64,
    held: DaemonUsage,
}

/// The daemons of each machine, by its name.
type NotedDaemons = BTreeMap<String, Vec<NotedDaemon>>;

const DAEMONS: Handover = Handover {
    what: "what daemons held after the first scenario",
    without: "what daemons hold after the next scenario is then compared with",
};

static FIRST: Mutex<NotedDaemons> = Mutex::new(NotedDaemons::new());

/// What a machine's daemon held at the first call for it, which notes what it holds now.
pub fn first_held(machine: &str, now: &Daemon) -> DaemonUsage {
    noted(
        &mut locked(&FIRST),
        machine,
        NotedDaemon { pid: now.process.pid, start: now.process.start, held: now.into() },
    )
}

/// What is noted of a daemon, unless nothing is: then this is noted.
fn noted(all: &mut NotedDaemons, machine: &str, now: NotedDaemon) -> DaemonUsage {
    let of_machine = all.entry(machine.to_owned()).or_default();
    let known = of_machine.iter().find(|known| (known.pid, known.start) == (now.pid, now.start));
    if let Some(known) = known {
        return known.held;
    }
    let held = now.held;
    of_machine.push(now);
    held
}

/// Writes down what daemons held, for the process after this one.
///
/// # Errors
///
/// The file cannot be written.
pub fn save_noted_daemons(path: &Path) -> Result<()> {
    DAEMONS.leave(path, &*locked(&FIRST))
}

/// Takes over what daemons held after the first scenario of another process, if it has written that down.
///
/// # Errors
///
/// A file that is there and cannot be read.
pub fn load_noted_daemons(path: &Path) -> Result<()> {
    let saved: Option<NotedDaemons> = DAEMONS.take_on(path)?;
    let mut first = locked(&FIRST);
    for (machine, daemons) in saved.into_iter().flatten() {
        for daemon in daemons {
            noted(&mut first, &machine, daemon);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::protocol::ProcessId;

    fn daemon(start: u64, descriptors: u64) -> Daemon {
        let process = ProcessId { pid: 12, start };
        Daemon { process, descriptors, resident_bytes: 4096, name: "libvirtd".into() }
    }

    fn first(machine: &str, start: u64, descriptors: u64) -> u64 {
        first_held(machine, &daemon(start, descriptors)).descriptors
    }

    #[test]
    fn each_daemon_of_each_machine_has_its_first() {
        assert_eq!(first("one of this test", 345, 40), 40);
        assert_eq!(first("one of this test", 345, 50), 40);
        assert_eq!(first("another of this test", 345, 50), 50);
        assert_eq!(first("one of this test", 800, 60), 60, "it was started anew");
    }

    #[test]
    fn the_next_process_compares_with_the_first_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemons.json");
        load_noted_daemons(&path).unwrap();
        let left = r#"{"a host of this test": [{"pid": 12, "start": 345, "held": {"descriptors": 7, "resident_bytes": 1}}]}"#;
        std::fs::write(&path, left).unwrap();
        load_noted_daemons(&path).unwrap();
        assert_eq!(first("a host of this test", 345, 90), 7);
        first("a host of this test", 800, 20);
        save_noted_daemons(&path).unwrap();
        let left: NotedDaemons = DAEMONS.take_on(&path).unwrap().unwrap();
        let descriptors = left["a host of this test"].iter().map(|known| known.held.descriptors);
        assert_eq!(descriptors.collect::<Vec<_>>(), [7, 20]);
    }
}
