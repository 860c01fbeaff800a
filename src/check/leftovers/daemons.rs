//! What daemons hold: libvirt's, and an NFS server.

use super::about::{ABOUT, HELD};
use crate::check::Proof;
use crate::host::DaemonUsage;
use crate::remote::protocol::{Daemon, Traces};

/// How many more file descriptors a daemon may have after one scenario: clients come and go.
const DESCRIPTORS: u64 = 16;

/// How many more file descriptors a daemon may have than after the first scenario of the run.
const DESCRIPTORS_OF_RUN: u64 = 64;

/// How much more resident memory a daemon may have than after the first scenario of the run, in bytes. One scenario proves
/// nothing: a heap grows to its working size, and never shrinks again.
const RESIDENT_OF_RUN: u64 = 128 << 20;

/// Judges a machine's daemons. `first` tells what one held after the first scenario of the run.
pub fn of_daemons(
    host: &str,
    before: &Traces,
    now: &Traces,
    first: impl Fn(&Daemon) -> DaemonUsage,
) -> Proof {
    let expected = format!(
        "daemons on {host} have at most {DESCRIPTORS} file descriptors more than before, and {DESCRIPTORS_OF_RUN} more and {} MiB more \
         memory than after the run's first scenario",
        RESIDENT_OF_RUN >> 20
    );
    let mut seen = Vec::new();
    let mut ok = true;
    for daemon in &now.daemons {
        let Daemon { process, descriptors, resident_bytes, name } = daemon;
        // Some daemons start on demand, and one that started since has no earlier state.
        let was = before.daemons.iter().find(|daemon| daemon.process == *process).unwrap_or(daemon);
        let first = first(daemon);
        ok &= *descriptors <= was.descriptors + DESCRIPTORS
            && *descriptors <= first.descriptors + DESCRIPTORS_OF_RUN
            && *resident_bytes <= first.resident_bytes + RESIDENT_OF_RUN;
        seen.push(format!(
            "{name} (pid {}): {descriptors} file descriptors, {} before, {} then; {} MiB, {} then",
            process.pid,
            was.descriptors,
            first.descriptors,
            resident_bytes >> 20,
            first.resident_bytes >> 20
        ));
    }
    Proof::new(&ABOUT, ok, expected, format!("on {host}: {}", seen.join("; "))).advise(&HELD)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::check::leftovers::testing::traces;

    fn daemon(descriptors: u64, mib: u64) -> Traces {
        traces(&[&format!("daemon|12|345|{descriptors}|{}|libvirtd", mib << 20)])
    }

    /// What each daemon held after the first scenario.
    fn first(descriptors: u64, mib: u64) -> impl Fn(&Daemon) -> DaemonUsage {
        move |_| DaemonUsage { descriptors, resident_bytes: mib << 20 }
    }

    #[rstest]
    #[case::as_before(40, 50, true)]
    #[case::some_clients(56, 50, true)]
    #[case::many_in_one_scenario(57, 50, false)]
    #[case::working_size(40, 178, true)]
    #[case::beyond_it(40, 179, false)]
    fn a_daemon_may_grow_so_much(#[case] descriptors: u64, #[case] mib: u64, #[case] ok: bool) {
        let proof = of_daemons("source", &daemon(40, 50), &daemon(descriptors, mib), first(40, 50));
        assert_eq!(proof.ok, ok, "{proof:?}");
    }

    #[test]
    fn what_leaks_a_little_in_each_scenario_is_found_in_all_of_them() {
        assert!(!of_daemons("source", &daemon(100, 50), &daemon(105, 50), first(40, 50)).ok);
    }

    #[test]
    fn a_daemon_that_was_started_anew_is_compared_with_itself() {
        let anew = traces(&["daemon|99|800|300|4096|libvirtd"]);
        assert!(of_daemons("source", &daemon(40, 50), &anew, |now: &Daemon| now.into()).ok);
    }

    #[test]
    fn the_machine_is_told_with_its_daemon() {
        let server = |descriptors: u64| traces(&[&format!("daemon|20|345|{descriptors}|4096|ganesha.nfsd")]);
        let proof = of_daemons("storage", &server(40), &server(57), first(40, 50));
        assert!(!proof.ok, "{proof:?}");
        assert_eq!(
            proof.seen,
            "on storage: ganesha.nfsd (pid 20): 57 file descriptors, 40 before, 40 then; 0 MiB, 50 then"
        );
    }
}
