//! Our own program on a host or in a guest, `fixtures/agent`: the build script links it statically into this binary, ssh
//! copies it, and one kept channel carries questions and answers.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use multivm_protocol::{
    self as protocol, CpuWaits, Devices, END, Found, IoStalled, NoWitness, OK, Processes, Question, Started,
    Ticks, Traces, WitnessQuestion, Writers,
};

use super::log_position::{self, LogPosition};
use super::observe::{Observation, ObservedProcess};
use super::push::program_directories;
use super::{Dialogue, Remote, program, quote};
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::Arch;
use crate::sys::lock::lock_within;
use crate::sys::parallel::locked;

/// The program's directory on the other machine: in memory on most systems, so that the next boot removes it.
const DIRECTORY: &str = concat!("/run/multivm-", env!("MULTIVM_AGENT_ID"));

/// The program's file name in that directory.
const NAME: &str = "multivm-agent";

const PATH: &str = concat!("/run/multivm-", env!("MULTIVM_AGENT_ID"), "/multivm-agent");

/// The environment variable of every load process, by which strays can be found: its value is the owner of the load.
fn load_mark(owner: &str) -> String {
    format!("MULTIVM_LOAD={owner}")
}

/// The shell command that prints the pids of an owner's load processes. Those of another owner stay out of it: a host may be
/// the machine on which a lab is at work.
pub fn pids_of_loads(owner: &str) -> String {
    format!("grep -ls -F {} /proc/[0-9]*/environ | cut -d / -f 3", quote(&load_mark(owner)))
}

/// The paths at which a machine may have our program's directory.
pub fn agent_directories() -> Vec<String> {
    program_directories(DIRECTORY)
}

/// The file of a load's stdout and stderr. It lies beside the program, and is removed with it.
pub const LOAD_LOG: &str = concat!("/run/multivm-", env!("MULTIVM_AGENT_ID"), "/load.log");

/// The least time for a new connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long the removal of a file may take; a host that needs longer is being taken down.
const REMOVE_LIMIT: Duration = Duration::from_secs(5);

/// A connection that was lost: a question that was asked then had no answer on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLoss {
    pub asked: Instant,
    /// The words of the failure.
    pub why: String,
}

/// Our program on one machine. The first question opens the connection, which then stays open: it also proves that a TCP
/// connection survives everything that happens to the machine.
#[derive(Debug)]
pub struct Agent {
    remote: Remote,
    /// What runs there.
    program: &'static [u8],
    /// The owner of the loads that this starts and ends.
    owner: String,
    channel: Mutex<Option<Dialogue>>,
    /// Each loss of a connection so far.
    losses: Mutex<Vec<ConnectionLoss>>,
    log: Mutex<LogPosition>,
    installed: AtomicBool,
}

impl Agent {
    pub fn new(remote: Remote) -> Agent {
        Agent {
            remote,
            program: program::NATIVE,
            owner: "nobody".into(),
            channel: Mutex::default(),
            losses: Mutex::default(),
            log: Mutex::default(),
            installed: AtomicBool::new(false),
        }
    }

    /// Our program on a machine of that architecture.
    pub fn on(arch: Arch, remote: Remote) -> Result<Agent> {
        Ok(Agent { program: program::of(arch)?, ..Agent::new(remote) })
    }

    /// Whether this build of multivm has our program for machines of that architecture.
    pub fn is_built_for(arch: Arch) -> Result<()> {
        program::of(arch).map(drop)
    }

    /// Makes loads those of this owner.
    pub fn for_loads_of(self, owner: &str) -> Agent {
        Agent { owner: owner.to_owned(), ..self }
    }

    /// Goes on in the machine's kernel log where an earlier connection stopped reading. Returns whether there was one.
    pub fn resume_log(&self) -> bool {
        let read = log_position::of(self.remote.name());
        let known = read.is_some();
        if let Some(read) = read {
            *locked(&self.log) = read;
        }
        known
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Looks at the machine, and leaves its kernel log to a later look that proves something of it.
    pub fn glance(&self, limit: Duration) -> Result<Observation> {
        let from = lock_within(&self.log, self.remote.patience(limit)).ok_or_else(|| self.is_busy())?.next;
        let seen: protocol::Observed = self.asked(&Question::Observe { from }, limit)?;
        Ok(Observation::new(seen))
    }

    /// Looks at the machine. The answer has only the lines of its kernel log that no earlier look has seen.
    pub fn observe(&self, limit: Duration) -> Result<Observation> {
        let mut log = lock_within(&self.log, self.remote.patience(limit)).ok_or_else(|| self.is_busy())?;
        let look = |from| {
            let seen: protocol::Observed = self.asked(&Question::Observe { from }, limit)?;
            Ok(Observation::new(seen))
        };
        let mut seen = look(log.next)?;
        if seen.boot_id != log.boot_id {
            if log.next > 0 {
                // Another boot has another log, with lines counted from 0.
                seen = look(0)?;
            }
            seen.whole_log = true;
        } else {
            seen.lost_lines = log.lost_before(&seen.kernel_log);
        }
        if let Some(last) = seen.kernel_log.last() {
            log.next = last.sequence + 1;
        }
        log.boot_id.clone_from(&seen.boot_id);
        log_position::note(self.remote.name(), &log);
        Ok(seen)
    }

    /// The processes of some process groups and nothing else: cheap enough during a migration.
    pub fn processes(&self, groups: &[i32], limit: Duration) -> Result<Vec<ObservedProcess>> {
        let Processes { page, processes } =
            self.asked(&Question::Processes { groups: groups.to_vec() }, limit)?;
        Ok(processes.into_iter().map(|process| ObservedProcess::new(process, page)).collect())
    }

    /// Asks who can write to files of these paths there, and to files of these inodes on NFS servers.
    pub fn writers(&self, inodes: &[u64], paths: &[String], limit: Duration) -> Result<Writers> {
        self.asked(&Question::Writers { inodes: inodes.to_vec(), paths: paths.to_vec() }, limit)
    }

    /// The block devices under these places there, and under the machine's swap.
    pub fn devices(&self, places: &[&str], limit: Duration) -> Result<Devices> {
        let places = places.iter().map(|place| (*place).to_owned()).collect();
        self.asked(&Question::Devices { places }, limit)
    }

    /// What a hypervisor leaves there, with the files below these folders.
    pub fn traces(&self, folders: &[&str], limit: Duration) -> Result<Traces> {
        let folders = folders.iter().map(|folder| (*folder).to_owned()).collect();
        self.asked(&Question::Traces { folders }, limit)
    }

    /// The CPU time of all the machine's processes so far, in clock ticks (1/100 s).
    pub fn cpu_ticks(&self, limit: Duration) -> Result<u64> {
        self.asked(&Question::Cpu, limit).map(|Ticks(ticks)| ticks)
    }

    /// How long guests waited for a CPU of the machine so far.
    pub fn cpu_waits(&self, limit: Duration) -> Result<CpuWaits> {
        self.asked(&Question::CpuWaits, limit)
    }

    /// For how long some task of the machine has waited for a disk since its start.
    pub fn io_stalled(&self, limit: Duration) -> Result<Duration> {
        self.asked(&Question::IoPressure, limit).map(|IoStalled(us)| Duration::from_micros(us))
    }

    /// What was added to files on the machine from an offset each on; of it the lines that have these words.
    pub fn find(&self, words: &str, files: &[(u64, String)], limit: Duration) -> Result<Found> {
        self.asked(&Question::Find { words: words.to_owned(), files: files.to_vec() }, limit)
    }

    /// Starts a program as a load, in a process group of its own, and returns the group's number, which is the program's
    /// pid. [`LOAD_LOG`] on that machine gets its output. No word may contain a tab or a newline. The program starts at most
    /// once; after an error it may run, and [`end_strays`](Agent::end_strays) finds it.
    pub fn start(&self, words: &[String], limit: Duration) -> Result<i32> {
        let question = Question::Start {
            variable: load_mark(&self.owner),
            log: LOAD_LOG.to_owned(),
            words: words.to_vec(),
        };
        let answer = self.ask(&question, limit)?;
        answer.parse().map(|Started(pid)| pid).map_err(|_| {
            Failure::new(format!("start `{}`", words.join(" ")), answer.trim()).at(self.remote.name())
        })
    }

    /// Kills process groups; a group that is gone is no error. This never repeats a question: after a reboot, other
    /// processes have these numbers.
    pub fn kill(&self, groups: &[i32], limit: Duration) -> Result<()> {
        let answer = self.ask(&Question::Kill { groups: groups.to_vec() }, limit)?;
        if answer.trim() == OK {
            return Ok(());
        }
        Err(Failure::new(format!("kill the process groups {groups:?}"), answer.trim()).at(self.remote.name()))
    }

    /// Lets the machine open a TCP connection within `patience`, and returns what came instead of an answer; none if somebody took
    /// or refused the connection. No other question is answered meanwhile.
    pub fn connect(&self, to: SocketAddr, patience: Duration, limit: Duration) -> Result<Option<String>> {
        let limit_ms = patience.as_millis().try_into().unwrap_or(u64::MAX);
        let answer = self.ask(&Question::Connect { to, limit_ms }, patience + limit)?;
        let answer = answer.trim();
        Ok((answer != OK).then(|| answer.to_owned()))
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

    /// Copies the program to the machine if it is not there, as after a reboot.
    pub fn install(&self, limit: Duration) -> Result<()> {
        if self.remote.has_program(PATH, limit)? {
            return Ok(());
        }
        self.installed.store(true, Ordering::SeqCst);
        self.remote.make_program_directory(DIRECTORY, limit)?;
        self.remote.push_program(self.program, DIRECTORY, NAME, limit)
    }

    /// The path of a link to the program under another name, which tells it apart in a list of processes.
    pub fn link(name: &str) -> String {
        format!("{DIRECTORY}/{name}")
    }

    /// Links the program to that name.
    pub fn install_as(&self, name: &str, limit: Duration) -> Result<()> {
        self.install(limit)?;
        self.remote.check(&format!("ln -f {PATH} {}", Agent::link(name)), limit).map(drop)
    }

    /// Ends every process on the machine that carries the mark of a load of this owner.
    pub fn end_strays(&self, limit: Duration) -> Result<()> {
        let script = format!(
            "for at in $({}); do [ $at = $$ ] || kill -KILL $at 2> /dev/null; done; :",
            pids_of_loads(&self.owner)
        );
        self.remote.check(&script, limit).map(drop)
    }

    /// Removes the program if this value has copied it there: a host is left as it was. In a guest it stays, because the guest
    /// itself is multivm's.
    pub fn remove(&self) {
        if self.installed.load(Ordering::SeqCst) {
            // What stays on a host that does not answer now is not forgotten: a host by inventory removes it when it is put
            // back, and says so where it cannot; a host of the lab goes as a whole.
            let _ = self.remote.remove_program_directory(DIRECTORY, REMOVE_LIMIT);
        }
    }

    /// All lost connections; comparing the lists of two looks shows the losses in between.
    pub fn losses(&self) -> Vec<ConnectionLoss> {
        locked(&self.losses).clone()
    }

    /// Drops every connection on purpose; the next question opens a new one.
    pub fn forget(&self) {
        // Who has it for longer finds for himself that it is closed.
        if let Some(mut channel) = lock_within(&self.channel, CONNECT_LIMIT) {
            *channel = None;
        }
        self.remote.forget_sessions();
    }

    /// Asks a question and parses the answer.
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

    /// Asks a question, and asks it again over a new connection if the answer is lost.
    fn ask_again(&self, question: &Question, limit: Duration) -> Result<String> {
        let begin = Instant::now();
        let mut channel = self.channel(limit)?;
        let limit = limit.saturating_sub(begin.elapsed() / self.remote.slowness()).max(CONNECT_LIMIT);
        let begin = Instant::now();
        if let Some(dialogue) = channel.as_mut() {
            match dialogue.ask(&question.to_string(), END, limit) {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.lose(&mut channel, failure, begin),
            }
        }
        // The connection may be from before a reboot: a new one decides. It gets its own time if the machine was silent for
        // the whole limit.
        let left = limit.saturating_sub(begin.elapsed() / self.remote.slowness()).max(CONNECT_LIMIT);
        let mut dialogue = self.open(left)?;
        let answer = dialogue.ask(&question.to_string(), END, left)?;
        *channel = Some(dialogue);
        Ok(answer)
    }

    /// Asks a question once: after an error the machine may have acted on it.
    fn ask_once(&self, question: &Question, limit: Duration) -> Result<String> {
        // A kept connection may be from before a reboot, and an unheard question looks like one with a lost answer. So this
        // sends the question only over a connection that has just answered.
        self.cpu_ticks(limit)?;
        let mut channel = self.channel(limit)?;
        let mut dialogue = match channel.take() {
            Some(dialogue) => dialogue,
            // Another question has lost the connection since.
            None => self.open(limit)?,
        };
        let asked = Instant::now();
        match dialogue.ask(&question.to_string(), END, limit) {
            Ok(answer) => {
                *channel = Some(dialogue);
                Ok(answer)
            }
            Err(failure) => {
                self.lose(&mut channel, failure.clone(), asked);
                Err(failure.and("; it was sent, so it may have been done"))
            }
        }
    }

    /// The kept connection, as soon as no other question is under way on it.
    fn channel(&self, limit: Duration) -> Result<MutexGuard<'_, Option<Dialogue>>> {
        lock_within(&self.channel, self.remote.patience(limit)).ok_or_else(|| self.is_busy())
    }

    fn is_busy(&self) -> Failure {
        let cause = Cause::new(FailureKind::TimedOut, "another question is under way, and has no answer yet");
        Failure::new("ask our program", cause).at(self.remote.name())
    }

    fn open(&self, limit: Duration) -> Result<Dialogue> {
        self.install(limit)?;
        Dialogue::open(&self.remote, &format!("exec {PATH} serve"), limit)
    }

    fn lose(&self, channel: &mut Option<Dialogue>, failure: Failure, asked: Instant) {
        *channel = None;
        locked(&self.losses).push(ConnectionLoss { asked, why: failure.cause.text });
        self.remote.forget_sessions();
    }
}
