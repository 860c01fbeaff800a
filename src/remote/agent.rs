//! Our own program on a host or in a guest, `fixtures/agent`: built statically by the build script, part of this
//! binary, copied over ssh, asked over one kept channel.

use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use multivm_protocol::{
    self as protocol, END, NoWitness, OK, Processes, Question, Started, Ticks, WitnessQuestion,
};

use super::observe::{Observation, Process};
use super::{Dialogue, Remote};
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::sys::parallel::locked;

/// Where it lies on the other machine: in memory on most systems, and gone with the next boot.
pub const DIRECTORY: &str = concat!("/run/multivm-", env!("MULTIVM_AGENT_ID"));

/// The file's name there.
const NAME: &str = "multivm-agent";

const PATH: &str = concat!("/run/multivm-", env!("MULTIVM_AGENT_ID"), "/multivm-agent");

/// What the environment of every process has that a scenario starts as load, so that none is ever lost.
pub const LOAD_MARK: &str = "MULTIVM_LOAD=1";

/// Where a load's own words go. It lies beside the program, and goes with it.
pub const LOAD_LOG: &str = concat!("/run/multivm-", env!("MULTIVM_AGENT_ID"), "/load.log");

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/multivm-agent"));

/// How long a new connection may take, at least.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The program on one machine. The connection to it is opened by the first question and kept: it is also the proof
/// that a TCP connection lives through everything that happens to the machine.
#[derive(Debug)]
pub struct Agent {
    remote: Remote,
    channel: Mutex<Option<Dialogue>>,
    /// Why each connection that was opened so far was lost.
    losses: Mutex<Vec<String>>,
    log: Mutex<LogPosition>,
    installed: AtomicBool,
}

/// Up to where the kernel log was read.
#[derive(Debug, Default)]
struct LogPosition {
    boot_id: String,
    next: u64,
}

impl Agent {
    pub fn new(remote: Remote) -> Agent {
        Agent {
            remote,
            channel: Mutex::default(),
            losses: Mutex::default(),
            log: Mutex::default(),
            installed: AtomicBool::new(false),
        }
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Looks at the machine. Of its kernel log only the lines are there that no earlier look has seen.
    pub fn observe(&self, limit: Duration) -> Result<Observation> {
        let mut log = locked(&self.log);
        let look = |from| {
            let seen: protocol::Machine = self.asked(&Question::Observe { from }, limit)?;
            Ok(Observation::new(seen))
        };
        let mut seen = look(log.next)?;
        if seen.boot_id != log.boot_id {
            if log.next > 0 {
                // Another boot has another log, whose lines are counted from 0 again.
                seen = look(0)?;
            }
            seen.whole_log = true;
        }
        if let Some(last) = seen.kernel_log.last() {
            log.next = last.sequence + 1;
        }
        log.boot_id.clone_from(&seen.boot_id);
        Ok(seen)
    }

    /// The processes of some process groups, and nothing else: cheap enough to be asked during a migration.
    pub fn processes(&self, groups: &[i32], limit: Duration) -> Result<Vec<Process>> {
        let Processes { page, processes } =
            self.asked(&Question::Processes { groups: groups.to_vec() }, limit)?;
        Ok(processes.into_iter().map(|process| Process::new(process, page)).collect())
    }

    /// CPU time that the machine's processes have used so far, clock ticks (1/100 s).
    pub fn cpu_ticks(&self, limit: Duration) -> Result<u64> {
        self.asked(&Question::Cpu, limit).map(|Ticks(ticks)| ticks)
    }

    /// Starts a program with the mark of a load, in a process group of its own, and returns the group's number, which is
    /// its pid. What it says goes to [`LOAD_LOG`] there. No word may have a tab or a newline in it. It is started at most
    /// once; after an error it may run, and [`end_strays`](Agent::end_strays) finds it.
    pub fn start(&self, words: &[String], limit: Duration) -> Result<i32> {
        let question = Question::Start {
            variable: LOAD_MARK.to_owned(),
            log: LOAD_LOG.to_owned(),
            words: words.to_vec(),
        };
        let answer = self.ask(&question, limit)?;
        answer.parse().map(|Started(pid)| pid).map_err(|_| {
            Failure::new(format!("start `{}`", words.join(" ")), answer.trim()).at(self.remote.name())
        })
    }

    /// Kills process groups; one that is gone is what was wanted. Never twice: after a reboot, the numbers are those of
    /// other processes.
    pub fn kill(&self, groups: &[i32], limit: Duration) -> Result<()> {
        let answer = self.ask(&Question::Kill { groups: groups.to_vec() }, limit)?;
        if answer.trim() == OK {
            return Ok(());
        }
        Err(Failure::new(format!("kill the process groups {groups:?}"), answer.trim()).at(self.remote.name()))
    }

    /// Passes a question on to the witness on that machine and returns its answer.
    pub fn witness(&self, question: WitnessQuestion, limit: Duration) -> Result<String> {
        let answer = self.ask(&Question::Witness(question), limit)?;
        match answer.parse() {
            Err(_) => Ok(answer),
            Ok(NoWitness(reason)) => {
                let cause = Cause::new(FailureKind::Missing, reason);
                Err(Failure::new("ask the witness", cause).at(self.remote.name()))
            }
        }
    }

    /// Copies the program there if it is not there, as after a reboot.
    pub fn install(&self, limit: Duration) -> Result<()> {
        if self.remote.has_program(PATH, limit)? {
            return Ok(());
        }
        self.installed.store(true, Ordering::SeqCst);
        self.remote.push_program(PROGRAM, DIRECTORY, NAME, limit)
    }

    /// A link to the program under a name of its own, by which it is told apart in a list of processes.
    pub fn link(name: &str) -> String {
        format!("{DIRECTORY}/{name}")
    }

    /// Links the program to that name.
    pub fn install_as(&self, name: &str, limit: Duration) -> Result<()> {
        self.install(limit)?;
        self.remote.check(&format!("ln -f {PATH} {}", Agent::link(name)), limit).map(drop)
    }

    /// Ends every process on the machine that carries the mark of a load.
    pub fn end_strays(&self, limit: Duration) -> Result<()> {
        let script = format!(
            "for at in $(grep -ls '{LOAD_MARK}' /proc/[0-9]*/environ | cut -d/ -f3); do \
             [ $at = $$ ] || kill -KILL $at 2> /dev/null; done; :"
        );
        self.remote.check(&script, limit).map(drop)
    }

    /// Whether this value has copied the program there.
    pub fn is_installed(&self) -> bool {
        self.installed.load(Ordering::SeqCst)
    }

    /// Why connections were lost, all of them; a later look at a longer list tells what was lost in between.
    pub fn losses(&self) -> Vec<String> {
        locked(&self.losses).clone()
    }

    /// Drops every connection on purpose; the next question opens a new one.
    pub fn forget(&self) {
        *locked(&self.channel) = None;
        self.remote.forget_sessions();
    }

    /// The answer to a question, as the message that it must be.
    fn asked<T: FromStr>(&self, question: &Question, limit: Duration) -> Result<T> {
        let answer = self.ask(question, limit)?;
        answer.parse().map_err(|_| {
            let head: String = answer.chars().take(200).collect();
            Failure::new(format!("ask `{question}`"), format!("unexpected answer {head:?}"))
                .at(self.remote.name())
        })
    }

    fn ask(&self, question: &Question, limit: Duration) -> Result<String> {
        if question.is_repeatable() {
            self.ask_again(question, limit)
        } else {
            self.ask_once(question, limit)
        }
    }

    /// If the answer is lost, a new connection gets the question again.
    fn ask_again(&self, question: &Question, limit: Duration) -> Result<String> {
        let begin = Instant::now();
        let mut channel = locked(&self.channel);
        if let Some(dialogue) = channel.as_mut() {
            match dialogue.ask(&question.to_string(), END, limit) {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.lose(&mut channel, failure),
            }
        }
        // The connection may be from before a reboot: a new one decides. It gets its own time if the machine was
        // silent for all of the limit.
        let left = limit.saturating_sub(begin.elapsed()).max(CONNECT_LIMIT);
        let mut dialogue = self.open(left)?;
        let answer = dialogue.ask(&question.to_string(), END, left)?;
        *channel = Some(dialogue);
        Ok(answer)
    }

    /// After an error it may have been done, and is not asked again.
    fn ask_once(&self, question: &Question, limit: Duration) -> Result<String> {
        // A kept connection may be from before a reboot, and a question that nobody heard is not told from one whose answer
        // was lost: only over a connection that has just answered is it sent.
        self.cpu_ticks(limit)?;
        let mut channel = locked(&self.channel);
        let mut dialogue = match channel.take() {
            Some(dialogue) => dialogue,
            // Another question has lost it since.
            None => self.open(limit)?,
        };
        match dialogue.ask(&question.to_string(), END, limit) {
            Ok(answer) => {
                *channel = Some(dialogue);
                Ok(answer)
            }
            Err(failure) => {
                self.lose(&mut channel, failure.clone());
                Err(failure.and("; it was sent, so it may have been done"))
            }
        }
    }

    fn open(&self, limit: Duration) -> Result<Dialogue> {
        self.install(limit)?;
        Dialogue::open(&self.remote, &format!("exec {PATH} serve"), limit)
    }

    fn lose(&self, channel: &mut Option<Dialogue>, failure: Failure) {
        *channel = None;
        locked(&self.losses).push(failure.cause.text);
        self.remote.forget_sessions();
    }
}
