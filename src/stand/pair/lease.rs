//! The lease of a host: who works on it, and what must be put back. It lies on the host, so that any controller finds it.
//!
//! Two controllers cannot have one host: the lease is a folder that appears whole, by a rename that fails where there is one. The host ends a
//! lease by itself when its controller has not been heard of for [`SILENCE`].

use std::time::Duration;

use super::state::HostState;
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::remote::{Facts, Remote, quote};

/// multivm's folder on a host.
pub const HOME: &str = "/var/lib/multivm";

/// The folder of the lease.
pub const LEASE: &str = "/var/lib/multivm/lease";

/// The file in which the kernel has the id of the host's present boot.
pub const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Whether the host has not booted since it was taken, as a command of a shell: most of what multivm changes ends with the boot, and what is
/// the same in a later one is somebody else's.
pub fn same_boot() -> String {
    format!("[ \"$(cat {LEASE}/boot)\" = \"$(cat {BOOT_ID})\" ]")
}

/// How long a controller may be silent before its hosts put themselves back.
pub const SILENCE: Duration = Duration::from_secs(15 * 60);

/// How often a controller is to be heard of.
pub const BEAT: Duration = Duration::from_secs(60);

/// How long a host may take for a small answer.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a host may take to put everything back, packages among it.
const UNDO_LIMIT: Duration = Duration::from_secs(1200);

const UNDO: &str = include_str!("undo.sh");
const WATCH: &str = include_str!("watch.sh");
const GUARD: &str = include_str!("guard.sh");
const GATE: &str = include_str!("gate.sh");

/// The line between a script and what follows it.
const END: &str = "multivm-end-of-file";

/// A lease that a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The id of the lease; none if it cannot be read.
    pub run: Option<String>,
    /// The holder, for people.
    pub holder: String,
    /// How long ago its controller was heard of.
    pub silent: Duration,
}

impl Lease {
    /// The host's lease; none if it has none.
    pub fn of(remote: &Remote) -> Result<Option<Lease>> {
        Facts::of_lease(remote, LIMIT).map(|facts| Lease::said(&facts))
    }

    /// The lease that a host said among its facts; none if it has none.
    pub fn said(facts: &Facts) -> Option<Lease> {
        let silent = Duration::from_secs(facts.number("lease_silence_s").unwrap_or_default());
        let run = facts.one("lease_run").map(str::to_owned);
        Some(Lease { run, holder: facts.one("lease")?.to_owned(), silent })
    }

    /// What somebody does who wants the host.
    pub const ADVICE: &str =
        "wait for its end; if nobody is at work there: multivm reap --inventory FILE --take-over";

    /// Who has the host, and for how long it may be.
    pub fn words(&self) -> String {
        format!(
            "it is leased to {}, who was heard of {} minutes ago; a host puts itself back after {} minutes of silence",
            self.holder,
            self.silent.as_secs() / 60,
            SILENCE.as_secs() / 60
        )
    }

    /// Why nobody else can have the host now, and what to do.
    pub fn refusal(&self, name: &str) -> Failure {
        Failure::new("take the host", Cause::new(FailureKind::Refused, self.words()))
            .at(name)
            .try_next(Lease::ADVICE)
    }
}

/// Takes a host, whose state was just observed, for a run.
pub fn take(remote: &Remote, run: &str, holder: &str, before: &HostState) -> Result<()> {
    let next = format!("{LEASE}.{run}");
    let file = |name: &str, text: &str| {
        let open = if text.ends_with('\n') { "" } else { "\n" };
        format!("cat > {next}/{name} << '{END}'\n{text}{open}{END}\n")
    };
    let files = [
        ("run", run),
        ("holder", holder),
        ("beat", ""),
        ("undo", UNDO),
        ("watch", WATCH),
        ("guard", GUARD),
        ("gate", GATE),
        ("before", before.text()),
    ]
    .map(|(name, text)| file(name, text))
    .concat();
    let silence = SILENCE.as_secs();
    let script = format!(
        "set -e\nmode=$(stat -c %a {HOME} 2> /dev/null || :)\numask 022\nmkdir -p {HOME}\numask 077\nmkdir -p {next}/changes\n{files}\
         echo \"$mode\" > {next}/home\ncat {BOOT_ID} > {next}/boot\n\
         if ! mv -T {next} {LEASE} 2> /dev/null; then rm -rf {next}; [ ! -e {LEASE} ] || exit 75; exit 1; fi\n\
         # QEMU's user goes through it.\n\
         chmod 711 {HOME}\n\
         sh {LEASE}/guard {silence}\n"
    );
    let output = remote.run_with_input("exec sh -s", script.as_bytes(), LIMIT)?;
    match output.status {
        0 => Ok(()),
        75 => match Lease::of(remote)? {
            Some(lease) => Err(lease.refusal(remote.name())),
            None => {
                Err(Failure::new("take the host", "another one was faster, and has gone").at(remote.name()))
            }
        },
        status => {
            Err(Failure::new("take the host", format!("exit status {status}: {}", output.stderr.trim()))
                .at(remote.name()))
        }
    }
}

/// Lets a host know that its controller lives, and starts the watcher if it is gone.
pub fn beat(remote: &Remote, run: &str) -> Result<()> {
    let (run, silence) = (quote(run), SILENCE.as_secs());
    let beat = format!(
        "[ \"$(cat {LEASE}/run)\" != {run} ] || {{ touch -c {LEASE}/beat; sh {LEASE}/guard {silence}; }}"
    );
    remote.check(&beat, LIMIT).map(drop)
}

/// What is left of leases that never began or are over, as words of a shell: `over`, and the id of a run.
const REMAINS: &str =
    "/var/lib/multivm/lease.over /var/lib/multivm/lease.????????-????-????-????-????????????";

/// Removes what is left of leases that never began or are over.
pub fn sweep(remote: &Remote) -> Result<()> {
    remote.check(&sweep_script(), LIMIT).map(drop)
}

fn sweep_script() -> String {
    format!("rm -rf {REMAINS}; rmdir {HOME} 2> /dev/null; :")
}

/// A host that was put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutBack {
    /// What it was like before; none if there was nothing to put back.
    pub before: Option<HostState>,
    /// What is somebody else's by now and was left alone, with the reason.
    pub left: Vec<String>,
}

/// Puts back what was changed on a host and ends its lease, if it is this one, or any if none is named.
pub fn end(remote: &Remote, run: Option<&str>) -> Result<PutBack> {
    let attempted = || "put the host back".to_owned();
    let is_it = run.map_or(String::new(), |run| {
        let part = quote(run).into_owned();
        format!(
            "rm -rf {LEASE}.{part}; rmdir {HOME} 2> /dev/null; [ -e {LEASE}/run ] || exit 0; \
             [ \"$(cat {LEASE}/run)\" = {part} ] || exit 0; "
        )
    });
    let script = format!(
        "{is_it}[ -d {LEASE} ] || exit 0; cat {LEASE}/before; undo=/run/multivm-undo.$$; \
         cp {LEASE}/undo $undo && sh $undo >&2; status=$?; rm -f $undo; exit $status"
    );
    let output = remote.run(&script, UNDO_LIMIT)?;
    if output.status != 0 {
        let said = output.stderr.trim();
        return Err(Failure::new(attempted(), if said.is_empty() { "it does not say why" } else { said })
            .at(remote.name())
            .try_next("what is left is in /var/lib/multivm/lease/changes there: mend the cause, then multivm reap --inventory FILE"));
    }
    let left = output.stderr.lines().filter_map(|line| line.strip_prefix("left: ")).map(str::to_owned);
    let left = left.collect();
    if output.stdout.trim().is_empty() {
        return Ok(PutBack { before: None, left });
    }
    HostState::parse(&output.stdout)
        .map(|before| PutBack { before: Some(before), left })
        .attempting(attempted)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::super::change::Change;
    use super::super::testing::{Sandbox, content};
    use super::*;

    /// A host that is watched, with a change.
    fn host(sleep: &str) -> Sandbox {
        let host = Sandbox::leased();
        for (name, script) in [("beat", ""), ("watch", WATCH), ("guard", GUARD)] {
            fs::write(host.lease(name), host.moved(script)).unwrap();
        }
        host.program("sleep", &format!("#!/bin/sh\ncd \"$(dirname \"$0\")/..\"\n{sleep}\n"));
        let change = Change::own("10-a", ":", "echo a > ../undone");
        assert!(host.make(&[change], &[]).status.success());
        host
    }

    fn run(host: &Sandbox, script: &str, silence: u64) -> bool {
        host.sh(&format!("sh {LEASE}/{script} {silence}")).status.success()
    }

    #[test]
    fn a_host_whose_controller_is_silent_puts_itself_back() {
        let host = host("exec /bin/sleep 0.05");
        assert!(run(&host, "watch", 1));
        assert_eq!(content(&host.path("multivm/undone")).as_deref(), Some("a\n"));
        assert!(!host.lease("").exists());
    }

    #[test]
    fn a_clock_that_is_set_is_no_silence() {
        // The lease ends after some looks at it.
        let host = host("echo >>naps; [ $(wc -l <naps) -lt 5 ] || rm multivm/lease/beat");
        let beat = fs::File::options().append(true).open(host.lease("beat")).unwrap();
        beat.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
        assert!(run(&host, "watch", 600));
        assert!(host.lease("changes/10-a").exists() && !host.path("multivm/undone").exists());
    }

    /// The process that watches a host.
    fn watcher(host: &Sandbox) -> String {
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            if let Some(pid) = content(&host.lease("watcher")).filter(|pid| !pid.is_empty()) {
                return pid.trim().to_owned();
            }
            assert!(std::time::Instant::now() < deadline, "nobody watches");
            std::thread::yield_now();
        }
    }

    #[test]
    fn there_is_one_who_watches_and_another_one_if_he_is_gone() {
        let host = host("exec /bin/sleep 0.05");
        assert!(run(&host, "guard", 600));
        let first = watcher(&host);
        assert!(run(&host, "guard", 600) && watcher(&host) == first);
        let is_gone = |pid: &str| format!("while grep -q -s lease/watch /proc/{pid}/cmdline; do :; done");
        let killed = format!("kill -KILL {first}; {}; rm {LEASE}/watcher", is_gone(&first));
        assert!(host.sh(&killed).status.success());
        assert!(run(&host, "guard", 600));
        let second = watcher(&host);
        assert!(second != first && host.put_back().status.success());
        assert!(host.sh(&is_gone(&second)).status.success(), "he goes with the lease");
    }

    #[test]
    fn remains_of_leases_are_swept_and_nothing_else_beside_them() {
        let host = Sandbox::leased();
        let remains = ["lease.over", "lease.0b9a51a4-7d6c-4a0e-9d0c-3f3f0a8f6a11"];
        let others = ["lease", "lease.before-the-upgrade", "lease.txt"];
        for name in remains.iter().chain(&others) {
            fs::create_dir_all(host.path("multivm").join(name)).unwrap();
        }
        assert!(host.sh(&sweep_script()).status.success());
        let left = fs::read_dir(host.path("multivm")).unwrap().map(|left| left.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, others);
    }

    #[test]
    fn systemd_has_who_watches_where_it_runs() {
        let host = host(":");
        fs::create_dir_all(host.path("systemd/system")).unwrap();
        let note = "echo \"${0##*/} $*\" >>\"$(dirname \"$0\")/../asked\"\n";
        host.program("systemd-run", &format!("#!/bin/sh\n{note}"));
        host.program(
            "systemctl",
            &format!("#!/bin/sh\n{note}[ \"$1\" = stop ] || {{ echo inactive; exit 3; }}\n"),
        );
        assert!(run(&host, "guard", 900) && host.put_back().status.success());
        let asked = content(&host.path("asked")).unwrap();
        let watch = host.lease("watch");
        let start = format!(
            "systemd-run -q --collect --unit=multivm-lease -p Restart=on-failure -p RestartSec=15 sh {} 900",
            watch.display()
        );
        let lines = ["systemctl is-active multivm-lease", &start, "systemctl stop multivm-lease"];
        assert_eq!(asked.lines().collect::<Vec<_>>(), lines);
    }
}
