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
const GATE: &str = include_str!("gate.sh");

/// The line between a script and what follows it.
const END: &str = "multivm-end-of-file";

/// A lease that a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The id of the lease; none if it cannot be read.
    pub run: Option<String>,
    /// Who holds it, for people.
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
         if command -v setsid > /dev/null; then set -- setsid sh; else set -- sh; fi\n\
         nohup \"$@\" {LEASE}/watch {silence} > /dev/null 2>&1 < /dev/null &\n"
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

/// Lets a host know that its controller lives.
pub fn beat(remote: &Remote, run: &str) -> Result<()> {
    let run = quote(run);
    remote.check(&format!("[ \"$(cat {LEASE}/run)\" != {run} ] || touch -c {LEASE}/beat"), LIMIT).map(drop)
}

/// Removes what is left of leases that never began or are over.
pub fn sweep(remote: &Remote) -> Result<()> {
    remote.check(&format!("rm -rf {LEASE}.*; rmdir {HOME} 2> /dev/null; :"), LIMIT).map(drop)
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
