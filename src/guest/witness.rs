//! The witness: our program in a guest keeps memory and a file on its disk full of patterns, and verifies them. This file asks
//! it and parses its answers; the checks judge them.

use std::collections::HashMap;
use std::time::Duration;

use super::Pulse;
use crate::failure::{Failure, FailureKind, Result};
use crate::inventory::AcceleratorKind;
use crate::remote::Agent;
use crate::scenario::Bytes;
use crate::sys::wait::{Look, StopFlag, wait_for};

/// Its name among the guest's processes.
const NAME: &str = "multivm-witness";

/// The file that it keeps records in, on the guest's disk.
pub const RECORDS: &str = "/var/lib/multivm/records";

/// Filling memory and file takes moments even in a slow guest.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What it found, all of memory and all of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    pub memory: MemoryProof,
    pub disk: DiskProof,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryProof {
    /// Pages that were verified.
    pub pages: u64,
    /// How often all of them were rewritten so far, and how many single pages that makes.
    pub generation: u64,
    pub rewritten: u64,
    /// Pages that were not as they must be, and the first of them in the witness's words.
    pub bad: u64,
    pub bad_pages: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskProof {
    /// Sequence number of the last record that was synced.
    pub written: u64,
    /// Records that were read back.
    pub slots: u64,
    /// The slowest synced write since the last look, milliseconds.
    pub slowest_ms: u64,
    /// Writes that failed since it was started, and what the first of them failed with.
    pub errors: u64,
    pub error: Option<String>,
    /// It is read from the disk and not from the guest's page cache.
    pub direct: bool,
    /// Records that were not as they must be, and the first of them in the witness's words.
    pub bad: u64,
    pub bad_records: Vec<String>,
}

/// Starts it in a guest, unless it runs. It writes nothing before [`begin`].
pub fn start(agent: &Agent, memory: Bytes, cancel: &StopFlag) -> Result<()> {
    match agent.witness("begin 0", START_LIMIT) {
        Err(failure) if failure.kind() == FailureKind::Missing => {}
        answer => return answer.map(drop),
    }
    agent.install_as(NAME, START_LIMIT)?;
    let path = Agent::link(NAME);
    // Of all processes in a guest it is the last that the kernel may kill for memory.
    let script = format!(
        "(echo -1000 > /proc/self/oom_score_adj; \
         exec setsid {path} witness {} {RECORDS} > {path}.log 2>&1 < /dev/null) &",
        memory.0 >> 20
    );
    agent.remote().check(&script, START_LIMIT)?;
    wait_for(&format!("the witness in {}", agent.remote().name()), START_LIMIT, cancel, || {
        match agent.witness("begin 0", START_LIMIT) {
            Ok(_) => Look::Ready(()),
            Err(failure) => Look::again(failure.cause),
        }
    })
    .map_err(|failure| {
        let said = agent.remote().check(&format!("cat {path}.log"), START_LIMIT).unwrap_or_default();
        failure.and(format!("; it said: {}", said.trim()))
    })
}

/// Ends one that an earlier command left: it may be of another build, or have another size.
pub fn end(agent: &Agent, cancel: &StopFlag) -> Result<()> {
    wait_for(&format!("the old witness in {} to end", agent.remote().name()), START_LIMIT, cancel, || {
        match agent.witness("quit", START_LIMIT) {
            Ok(_) => Look::NotYet("it answers".into()),
            Err(failure) if failure.kind() == FailureKind::Missing => Look::Ready(()),
            Err(failure) => Look::again(failure.cause),
        }
    })
}

/// How often it looks at the clock. Under KVM, every millisecond. Under TCG a look costs 0.15 to 0.3 ms of a CPU of the
/// host, for the timer, the interrupt and the way in and out of the vCPU's thread: every millisecond would be 15 % of a
/// CPU and more for each guest, every ten are 2 to 3 %.
pub fn pulse_interval(accelerator: AcceleratorKind) -> Duration {
    match accelerator {
        AcceleratorKind::Kvm => Duration::from_millis(1),
        AcceleratorKind::Tcg => Duration::from_millis(10),
    }
}

/// Lets it rewrite all of its memory once in `interval`, write records, and look at the clock every `pulse`; pauses all
/// three if `interval` is zero.
pub fn begin(agent: &Agent, interval: Duration, pulse: Duration, limit: Duration) -> Result<()> {
    let question = format!("begin {} {}", interval.as_millis(), pulse.as_micros());
    let answer = agent.witness(&question, limit)?;
    match answer.trim() {
        "ok" => Ok(()),
        _ => Err(unexpected(agent, &answer)),
    }
}

/// Asks it when the guest stood still and how fast it wrote memory, since a moment on its own clock.
pub fn pulse(agent: &Agent, from_us: u64, limit: Duration) -> Result<Pulse> {
    let answer = agent.witness(&format!("pulse {from_us}"), limit)?;
    Pulse::parse(&answer).ok_or_else(|| unexpected(agent, &answer))
}

/// Lets it verify everything.
pub fn prove(agent: &Agent, limit: Duration) -> Result<Testimony> {
    let answer = agent.witness("prove", limit)?;
    parse(&answer).ok_or_else(|| unexpected(agent, &answer))
}

fn unexpected(agent: &Agent, answer: &str) -> Failure {
    let head: String = answer.chars().take(1000).collect();
    Failure::new("ask the witness", format!("unexpected answer {head:?}")).at(agent.remote().name())
}

fn parse(answer: &str) -> Option<Testimony> {
    let line = |name: &str| {
        let rest = answer.lines().find_map(|line| line.strip_prefix(name))?;
        Some(rest.split_whitespace().filter_map(|word| word.split_once('=')).collect::<HashMap<_, _>>())
    };
    let number = |fields: &HashMap<&str, &str>, name: &str| fields.get(name)?.parse::<u64>().ok();
    let lines =
        |name: &str| answer.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect();
    let (memory, disk) = (line("memory ")?, line("disk ")?);
    Some(Testimony {
        memory: MemoryProof {
            pages: number(&memory, "pages")?,
            generation: number(&memory, "generation")?,
            rewritten: number(&memory, "rewritten")?,
            bad: number(&memory, "bad")?,
            bad_pages: lines("bad-page "),
        },
        disk: DiskProof {
            written: number(&disk, "written")?,
            slots: number(&disk, "slots")?,
            slowest_ms: number(&disk, "slowest_ms")?,
            errors: number(&disk, "errors")?,
            error: answer.lines().find_map(|line| line.strip_prefix("disk-error ")).map(str::to_owned),
            direct: number(&disk, "direct")? == 1,
            bad: number(&disk, "bad")?,
            bad_records: lines("bad-record "),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_taken_apart() {
        let answer = "memory pages=8192 generation=17 rewritten=139000 region=0x7f0000000000 bad=1\n\
                      bad-page page=3 address=0x7f0000003000 expected=17 found=15 kind=generation offset=8\n\
                      disk written=120 slots=1024 slowest_ms=7 errors=1 bad=0 direct=1\n\
                      disk-error write a record: I/O error (5)\n";
        let said = parse(answer).unwrap();
        assert_eq!((said.memory.pages, said.memory.generation, said.memory.bad), (8192, 17, 1));
        assert!(said.memory.rewritten == 139_000 && said.disk.direct);
        assert!(said.memory.bad_pages[0].starts_with("page=3 "));
        assert_eq!((said.disk.written, said.disk.slots, said.disk.errors), (120, 1024, 1));
        assert_eq!(said.disk.error.as_deref(), Some("write a record: I/O error (5)"));
        assert_eq!(parse("memory pages=1\n"), None);
    }
}
