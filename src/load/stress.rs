//! Stress tools on one machine, as a guard: closing or dropping it stops them.

use std::time::{Duration, Instant};

use super::{LoadLook, Place, Sample};
use crate::failure::Result;
use crate::host::{IN_FOLDER, removal};
use crate::remote::{LOAD_LOG, ObservedProcess};
use crate::scenario::{Bytes, Load, LoadSize, Signs};
use crate::sys::halt;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long a tool may take to start its workers and fill its memory.
const LIMIT: Duration = Duration::from_secs(180);

/// How long a tool may take to end after it was killed. The limit is short, because its guest may have died a moment ago
/// without anybody knowing.
const END_LIMIT: Duration = Duration::from_secs(40);

/// How long a tool's last output may take to arrive.
const WORDS_LIMIT: Duration = Duration::from_secs(10);

/// A tool to start, with the signs of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCommand {
    pub words: Vec<String>,
    pub signs: Signs,
    /// The basis of its computed size, for the record.
    pub basis: Option<String>,
}

impl ToolCommand {
    /// The command of a load of that size.
    pub fn new(load: Load, size: &LoadSize, basis: Option<String>) -> ToolCommand {
        ToolCommand { words: load.command(size), signs: size.signs, basis }
    }
}

/// One running tool.
#[derive(Debug, Clone)]
pub struct RunningTool {
    pub command: String,
    /// Process group of the tool and its workers; also the pid of the group's first process.
    pub group: i32,
    pub basis: Option<String>,
    signs: Signs,
}

impl RunningTool {
    /// The load of a command that runs as the process group `group`.
    pub fn new(command: &ToolCommand, group: i32) -> RunningTool {
        RunningTool {
            command: command.words.join(" "),
            group,
            basis: command.basis.clone(),
            signs: command.signs,
        }
    }

    fn sample(&self, processes: &[ObservedProcess], asked: Instant, at: Instant) -> Sample {
        let group = || processes.iter().filter(|process| process.group == self.group);
        let alive = || group().filter(|process| process.is_alive());
        Sample {
            alive: alive().count(),
            stopped: alive().filter(|process| process.state == 'T').count(),
            ticks: group().map(|process| process.ticks).sum(),
            resident: Bytes(alive().map(|process| process.resident_bytes).sum()),
            written: group()
                .filter_map(|process| process.written_bytes)
                .reduce(|sum, one| sum + one)
                .map(Bytes),
            asked,
            at,
            halted: halt::halted(),
        }
    }

    /// Whether the kernel kills its workers all the time and the tool restarts them, because it asks for more memory than
    /// there is.
    pub fn comes_and_goes(&self) -> bool {
        self.signs.comes_and_goes
    }

    /// Whether its writes must reach a disk.
    pub fn writes(&self) -> bool {
        self.signs.writes
    }

    /// The memory that a sample must show resident: half of the load's initial memory, because a host short of memory may
    /// have swapped some out; none for a load whose workers the kernel kills.
    pub fn held(&self) -> Bytes {
        if self.signs.comes_and_goes { Bytes(0) } else { Bytes(self.signs.resident.0 / 2) }
    }

    /// Why the load does not work yet; none if it does.
    fn idle(&self, seen: &Sample) -> Option<String> {
        if seen.ticks == 0 {
            return Some(format!("`{}` has used no CPU time yet", self.command));
        }
        if self.signs.writes && seen.written.is_none_or(|written| written.0 == 0) {
            let why = seen.written.map_or(" that its kernel would count", |_| " yet");
            return Some(format!("`{}` has sent nothing to a disk{why}", self.command));
        }
        let wanted = self.signs.resident;
        (seen.resident < wanted).then(|| {
            format!("`{}` has {} MiB resident, of {} MiB", self.command, mib(seen.resident), mib(wanted))
        })
    }
}

fn mib(bytes: Bytes) -> u64 {
    bytes.0 >> 20
}

/// All loads of a scenario on one machine.
#[derive(Debug)]
pub struct Loads {
    place: Place,
    pub loads: Vec<RunningTool>,
}

impl Loads {
    /// Starts the commands and waits until each works: it has used CPU time, and its memory is resident. Returns the look
    /// that showed it as well.
    pub fn start(place: &Place, commands: &[ToolCommand], stop: &StopFlag) -> Result<(Loads, LoadLook)> {
        let mut started = Loads { place: place.clone(), loads: Vec::new() };
        for command in commands {
            // `started` ends those that run already.
            let group = place.agent().start(&words(place, command), LIMIT).inspect_err(|_| {
                // This one may run although nobody knows of it.
                let _ = place.agent().end_strays(WORDS_LIMIT);
            })?;
            started.loads.push(RunningTool::new(command, group));
        }
        let look = started.await_work(stop)?;
        Ok((started, look))
    }

    fn await_work(&self, stop: &StopFlag) -> Result<LoadLook> {
        wait_for(&format!("the load to work on {}", self.place.name()), LIMIT, stop, || {
            let asked = Instant::now();
            let samples = match sample(&self.place, &self.loads, LIMIT) {
                Ok(samples) => samples,
                Err(failure) => return Poll::again(failure.cause),
            };
            for (load, seen) in self.loads.iter().zip(&samples) {
                if seen.alive == 0 {
                    let words = last_words(&self.place);
                    return Poll::Never(format!("`{}` has ended; it said: {words}", load.command).into());
                }
                if let Some(why) = load.idle(seen) {
                    return Poll::NotYet(why);
                }
            }
            Poll::Ready(LoadLook { asked, at: Instant::now(), samples: Ok(samples) })
        })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Ends the loads and waits until none of their processes is left.
    pub fn close(mut self) -> Result<()> {
        self.stop()
    }

    /// Abandons the loads: the next repair of the machine ends them.
    pub fn forget(mut self) {
        self.loads.clear();
    }

    fn stop(&mut self) -> Result<()> {
        let loads = std::mem::take(&mut self.loads);
        if loads.is_empty() {
            return Ok(());
        }
        // A group without processes is no error. The loads have ended when no look sees a process of them.
        let groups: Vec<i32> = loads.iter().map(|load| load.group).collect();
        let agent = self.place.agent();
        agent.kill(&groups, END_LIMIT)?;
        self.await_end(&groups)?;
        if loads.iter().any(RunningTool::writes) {
            // A load that was refused its folder has ended in front of somebody else's.
            return agent.remote().check(&removal(self.place.folder()), END_LIMIT).map(drop);
        }
        Ok(())
    }

    fn await_end(&self, groups: &[i32]) -> Result<()> {
        let agent = self.place.agent();
        wait_for(&format!("the load to end on {}", self.place.name()), END_LIMIT, &StopFlag::new(), || {
            match agent.processes(groups, END_LIMIT) {
                Ok(left) => match left.iter().find(|process| process.is_alive()) {
                    Some(process) => Poll::NotYet(format!("{} ({}) is alive", process.name, process.pid)),
                    None => Poll::Ready(()),
                },
                Err(failure) => Poll::again(failure.cause),
            }
        })
    }
}

/// Takes a look at the loads of one machine; the samples are in the order of the loads.
pub(super) fn sample(place: &Place, loads: &[RunningTool], limit: Duration) -> Result<Vec<Sample>> {
    let asked = Instant::now();
    let groups: Vec<i32> = loads.iter().map(|load| load.group).collect();
    let processes = place.agent().processes(&groups, limit)?;
    let at = Instant::now();
    Ok(loads.iter().map(|load| load.sample(&processes, asked, at)).collect())
}

/// The last output of the tools on a machine.
pub(super) fn last_words(place: &Place) -> String {
    let said = place.agent().remote().check(&format!("tail -n 5 {LOAD_LOG}"), WORDS_LIMIT);
    said.unwrap_or_default().trim().to_owned()
}

/// The words that run a command.
///
/// In a guest it is niced below ssh and the proofs: it takes every cycle that is left, and none that they need. On a
/// host it competes with the guests, which is what it is for; but when memory runs out the kernel shall kill it and not
/// a guest, hence the score (proc_pid_oom_score_adj(5)), which its workers inherit.
fn words(place: &Place, command: &ToolCommand) -> Vec<String> {
    let before: &[&str] = match place {
        Place::Guest(_) => &["nice", "-n", "10"],
        Place::Host(..) if command.signs.comes_and_goes => {
            &["sh", "-c", r#"echo 1000 > /proc/self/oom_score_adj; while :; do "$@"; done"#, "load"]
        }
        Place::Host(..) => &["sh", "-c", r#"echo 1000 > /proc/self/oom_score_adj; exec "$@""#, "load"],
    };
    let folder = command.signs.writes.then(|| ["sh", "-c", IN_FOLDER, place.folder()]);
    let words = before.iter().copied().chain(folder.into_iter().flatten()).map(str::to_owned);
    words.chain(command.words.iter().cloned()).collect()
}

impl Drop for Loads {
    fn drop(&mut self) {
        // This catches an early return. A guest that cannot be reached is renewed before the next scenario.
        let _ = self.stop();
    }
}
