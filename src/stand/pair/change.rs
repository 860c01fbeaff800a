//! Changes of a host: each knows what takes it back before it is made.
//!
//! What takes a change back is a script in the host's lease, on its disk before the change is made, so that whoever comes
//! later can do it without knowing what was changed. It asks whether what it finds is still multivm's.

use std::time::Duration;

use super::lease::LEASE;
use crate::axis::AxisValue;
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::file::Consent;
use crate::remote::Remote;

/// How long the changes of a host may take together, but for packages.
pub const LIMIT: Duration = Duration::from_secs(180);

/// The exit status of a change that is needed and not allowed.
const NOT_ALLOWED: i32 = 77;

/// The attempt, for the error about it.
const PREPARE: &str = "prepare the host";

/// The line between a script and what follows it.
const END: &str = "multivm-end-of-script";

/// A change of a host, in shell scripts. They run in the lease's folder, as root.
#[derive(Debug, Clone)]
pub struct Change {
    /// The change's place in the order of changes and its name, as `10-keys`. The last one is taken back first.
    pub name: &'static str,
    /// The consent that the change needs; none for what is in multivm's own folders.
    pub consent: Option<Consent>,
    /// Succeeds where there is nothing to be done.
    pub unless: String,
    /// Notes in the lease what was before, as far as `undo` must know it.
    pub note: String,
    pub act: String,
    /// Takes the change back, whether `act` has been done, half done, or not at all. It has 120 s, or as many as its first line says, `# limit 900`.
    pub undo: String,
    /// What a user does instead of allowing it.
    pub instead: String,
}

impl Change {
    /// A change in multivm's own folders, which needs nobody's consent.
    pub fn own(name: &'static str, act: impl Into<String>, undo: impl Into<String>) -> Change {
        Change {
            name,
            consent: None,
            unless: "false".into(),
            note: ":".into(),
            act: act.into(),
            undo: undo.into(),
            instead: String::new(),
        }
    }

    /// The script and what was noted for it are on the disk before the change is made: a host that loses its power must not be put back by
    /// half of them.
    fn script(&self, allow: &[Consent]) -> String {
        let Change { name, unless, note, act, undo, .. } = self;
        let refused = self.consent.filter(|consent| !allow.contains(consent));
        let make = match refused {
            Some(consent) => format!("echo '{consent}' >&2\nexit {NOT_ALLOWED}"),
            None => format!(
                "(\n{note}\n) || fail {name}\n\
                 cat > changes/.{name} << '{END}' || fail {name}\n{undo}\n{END}\n\
                 mv changes/.{name} changes/{name} || fail {name}\n\
                 sync .. . ./* changes/{name} 2> /dev/null || sync\n\
                 (\n{act}\n) 9>&- || fail {name}"
            ),
        };
        format!("if ! (\n{unless}\n) > /dev/null 2>&1; then\n{make}\nfi\n")
    }
}

/// The script that makes changes, in their order, and stops at the first that fails. It holds the lease's lock: when its controller is killed
/// it goes on to its end, and whoever puts the host back waits for that.
pub fn script(run: &str, changes: &[Change], allow: &[Consent]) -> String {
    let begin = format!(
        "cd {LEASE} || exit 1\nPATH=$PATH:/usr/sbin:/sbin; LC_ALL=C; export PATH LC_ALL\n\
         if command -v flock > /dev/null; then exec 9>lock; flock 9; fi\n\
         [ \"$(cat {LEASE}/run)\" = {run} ] && [ run -ef {LEASE}/run ] || {{ echo 'the host is leased to another run' >&2; exit 1; }}\n\
         fail() {{ echo \"$1 failed\" >&2; exit 1; }}\n"
    );
    begin + &changes.iter().map(|change| change.script(allow)).collect::<String>()
}

/// Makes these changes on a host, in their order. A change that is needed and that `allow` does not have is refused before it is made.
pub fn make(
    remote: &Remote,
    run: &str,
    changes: &[Change],
    allow: &[Consent],
    limit: Duration,
) -> Result<()> {
    let script = script(run, changes, allow);
    let output = remote.run_with_input("exec sh -s", script.as_bytes(), limit)?;
    match output.status {
        0 => Ok(()),
        NOT_ALLOWED => {
            Err(refusal(changes, output.stderr.trim().lines().last().unwrap_or_default()).at(remote.name()))
        }
        status => {
            let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
            Err(Failure::new(PREPARE, format!("exit status {status}: {}", said.trim())).at(remote.name()))
        }
    }
}

/// The failure for a consent that is needed and not there.
fn refusal(changes: &[Change], consent: &str) -> Failure {
    let needs = |change: &&Change| change.consent.is_some_and(|own| own.name() == consent);
    let change = changes.iter().find(needs);
    let does = change.and_then(|change| change.consent).map_or("", |consent| consent.row().does);
    let instead = change.map_or("", |change| change.instead.as_str());
    let cause = format!("this pair needs what `allow` does not have, `{consent}`: multivm {does}");
    Failure::new(PREPARE, Cause::new(FailureKind::Refused, cause))
        .try_next(format!("{instead}; or put `{consent}` into `allow` of the inventory"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{Sandbox, content};
    use super::*;

    fn change(name: &'static str) -> Change {
        Change::own(name, format!("echo {name} >> made"), format!("echo {name} >> ../undone"))
    }

    #[test]
    fn changes_are_taken_back_in_the_other_order() {
        let host = Sandbox::leased();
        assert!(host.make(&[change("10-a"), change("20-b")], &[]).status.success());
        assert_eq!(content(&host.lease("made")).as_deref(), Some("10-a\n20-b\n"));
        assert!(host.put_back().status.success());
        assert_eq!(content(&host.path("multivm/undone")).as_deref(), Some("20-b\n10-a\n"));
        assert!(!host.lease("").exists(), "the lease is over");
    }

    #[test]
    fn what_is_being_made_is_waited_for() {
        let host = Sandbox::leased();
        let slow = Change {
            act: "sleep 1; echo made >> ../made".into(),
            undo: "rm ../made".into(),
            ..change("10-a")
        };
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(host.make(&[slow], &[]).status.success()));
            while !host.lease("changes/10-a").exists() {
                std::thread::yield_now();
            }
            assert!(host.put_back().status.success());
        });
        assert!(!host.path("multivm/made").exists() && !host.lease("").exists());
    }

    #[test]
    fn the_removal_of_packages_is_not_cut_off_early() {
        let host = Sandbox::leased();
        host.program(
            "timeout",
            "#!/bin/sh\necho \"$3 $5\" >>\"$(dirname \"$0\")/../limits\"\nshift 3\nexec \"$@\"\n",
        );
        let patient = change("05-packages");
        let patient = Change { undo: format!("# limit 900\n{}", patient.undo), ..patient };
        assert!(host.make(&[patient, change("10-a")], &[]).status.success());
        assert!(host.put_back().status.success());
        let limits = content(&host.path("limits")).unwrap();
        let limits: Vec<_> = limits.lines().filter(|line| line.contains("changes/")).collect();
        assert_eq!(limits, ["120 changes/10-a", "900 changes/05-packages"]);
    }

    #[test]
    fn a_change_that_fails_can_be_taken_back_and_the_next_is_not_made() {
        let host = Sandbox::leased();
        let fails = Change { act: "false".into(), ..change("20-b") };
        let output = host.make(&[change("10-a"), fails, change("30-c")], &[]);
        assert_eq!(
            (output.status.code(), &*String::from_utf8_lossy(&output.stderr)),
            (Some(1), "20-b failed\n")
        );
        assert!(host.put_back().status.success());
        assert_eq!(content(&host.path("multivm/undone")).as_deref(), Some("20-b\n10-a\n"));
    }

    #[test]
    fn what_cannot_be_taken_back_stays_for_the_next_attempt_and_hides_nothing() {
        let host = Sandbox::leased();
        let stuck = Change { undo: "echo it hangs; [ -e ../free ]".into(), ..change("20-b") };
        assert!(host.make(&[change("10-a"), stuck], &[]).status.success());
        let output = host.put_back();
        assert_eq!(
            (output.status.code(), &*String::from_utf8_lossy(&output.stdout)),
            (Some(1), "20-b: it hangs\n")
        );
        assert_eq!(content(&host.path("multivm/undone")).as_deref(), Some("10-a\n"), "the rest is put back");
        let left: Vec<_> =
            fs::read_dir(host.lease("changes")).unwrap().flatten().map(|left| left.file_name()).collect();
        assert_eq!(left, ["20-b"]);
        fs::write(host.path("multivm/free"), "").unwrap();
        assert!(host.put_back().status.success() && !host.lease("").exists());
    }

    #[test]
    fn a_run_makes_nothing_on_a_host_that_another_run_has() {
        let host = Sandbox::leased();
        fs::write(host.lease("run"), "R2\n").unwrap();
        let output = host.make(&[change("10-a")], &[]);
        assert!(!output.status.success() && !host.lease("made").exists());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "the host is leased to another run\n");
    }

    #[test]
    fn what_does_not_belong_to_the_lease_is_not_ended_with_it() {
        let host = Sandbox::leased();
        let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(host.lease("watcher"), format!("{}\n", stranger.id())).unwrap();
        assert!(host.put_back().status.success() && !host.lease("").exists());
        assert_eq!(stranger.try_wait().unwrap(), None, "it had the number of the lease's watcher");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn what_is_so_already_is_not_changed_and_needs_no_consent() {
        let host = Sandbox::leased();
        let is_so = Change { unless: "true".into(), consent: Some(Consent::Selinux), ..change("10-a") };
        assert!(host.make(&[is_so], &[]).status.success());
        assert!(!host.lease("made").exists() && !host.lease("changes/10-a").exists());
    }

    #[test]
    fn nothing_is_done_without_consent() {
        let host = Sandbox::leased();
        let needs = Change { consent: Some(Consent::Mounts), instead: "mount it".into(), ..change("10-a") };
        let output = host.make(std::slice::from_ref(&needs), &[Consent::Keys]);
        assert_eq!(output.status.code(), Some(NOT_ALLOWED));
        assert!(!host.lease("made").exists() && !host.lease("changes/10-a").exists());
        let said =
            refusal(std::slice::from_ref(&needs), String::from_utf8_lossy(&output.stderr).trim()).to_string();
        assert!(said.contains("`mounts`: multivm mounts the export"), "{said}");
        assert!(said.contains("mount it; or put `mounts` into `allow`"), "{said}");
        assert!(host.make(&[needs], &[Consent::Mounts]).status.success() && host.lease("made").exists());
    }
}
