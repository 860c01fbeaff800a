//! Stress tools in a guest, as a guard: stopped when closed, and when dropped.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Done, Failure};
use crate::guest::{Guest, Observation};
use crate::host::quote;
use crate::wait::{Cancel, Look, wait_for};

/// How long a tool may take to start its workers, and to end: both are moments, even in a slow guest.
const LIMIT: Duration = Duration::from_secs(30);

/// Where a tool's own words go, in the guest.
const LOG: &str = "/tmp/multivm-load.log";

/// One running tool.
#[derive(Debug, Clone)]
pub struct Load {
    pub command: String,
    /// Process group of the tool and its workers; also the tool's pid.
    pub group: i32,
}

impl Load {
    /// CPU time of all its processes, clock ticks; none if no process of it is alive.
    pub fn ticks(&self, seen: &Observation) -> Option<u64> {
        let group = seen.group(self.group);
        (!group.is_empty()).then(|| group.iter().map(|process| process.ticks).sum())
    }
}

/// Everything that a scenario runs in one guest.
#[derive(Debug)]
pub struct GuestLoads {
    guest: Arc<Guest>,
    pub loads: Vec<Load>,
}

impl GuestLoads {
    /// Starts the commands and waits until each has used CPU time.
    pub fn start(guest: &Arc<Guest>, commands: &[Vec<String>], cancel: &Cancel) -> Done<GuestLoads> {
        let shown: Vec<String> = commands.iter().map(|command| command.join(" ")).collect();
        // setsid makes a tool the leader of a process group of its own, with the pid that the shell knows: it is
        // found and ended by that group, whatever its workers are called. nice puts it below ssh and the proofs: it
        // takes every cycle that is left, and none that they need.
        let script: String = commands
            .iter()
            .map(|command| {
                let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
                format!("nice -n 10 setsid {} >> {LOG} 2>&1 < /dev/null & echo $!\n", words.join(" "))
            })
            .collect();
        let answer = guest.remote.check(&script, LIMIT)?;
        let groups: Vec<i32> = answer.lines().filter_map(|line| line.trim().parse().ok()).collect();
        if groups.len() != commands.len() {
            return Err(Failure::new(
                format!("start `{}`", shown.join("`, `")),
                format!("the shell answered {answer:?}"),
            )
            .at(guest.name.as_str()));
        }
        let loads = shown.into_iter().zip(groups).map(|(command, group)| Load { command, group }).collect();
        let started = GuestLoads { guest: Arc::clone(guest), loads };
        started.await_work(cancel)?;
        Ok(started)
    }

    fn await_work(&self, cancel: &Cancel) -> Done<()> {
        wait_for(&format!("the load to work in {}", self.guest.name), LIMIT, cancel, || {
            let seen = match self.guest.observe(LIMIT) {
                Ok(seen) => seen,
                Err(failure) => return Look::NotYet(failure.to_string()),
            };
            for load in &self.loads {
                // Between its start and setsid it is in the shell's group.
                if seen.processes.iter().all(|process| process.pid != load.group) {
                    return Look::Never(format!(
                        "`{}` has ended; it said: {}",
                        load.command,
                        self.last_words()
                    ));
                }
                if load.ticks(&seen).unwrap_or(0) == 0 {
                    return Look::NotYet(format!("`{}` has used no CPU time yet", load.command));
                }
            }
            Look::Ready(())
        })
    }

    fn last_words(&self) -> String {
        self.guest.remote.check(&format!("tail -n 5 {LOG}"), LIMIT).unwrap_or_default().trim().to_owned()
    }

    /// The name of the guest.
    pub fn guest(&self) -> &str {
        &self.guest.name
    }

    /// Ends the loads and waits until no process of them is left.
    pub fn close(mut self) -> Done<()> {
        self.stop()
    }

    fn stop(&mut self) -> Done<()> {
        let loads = std::mem::take(&mut self.loads);
        // A group whose last process has ended is no error. What decides is that none is seen any more.
        let groups: Vec<String> = loads.iter().map(|load| format!("-{}", load.group)).collect();
        self.guest.remote.check(&format!("kill -KILL {} 2> /dev/null; :", groups.join(" ")), LIMIT)?;
        wait_for(&format!("the load to end in {}", self.guest.name), LIMIT, &Cancel::new(), || {
            match self.guest.observe(LIMIT) {
                Ok(seen) => match loads.iter().find(|load| load.ticks(&seen).is_some()) {
                    Some(load) => Look::NotYet(format!("`{}` is alive", load.command)),
                    None => Look::Ready(()),
                },
                Err(failure) => Look::NotYet(failure.to_string()),
            }
        })
    }
}

impl Drop for GuestLoads {
    fn drop(&mut self) {
        if !self.loads.is_empty() {
            // The net under an early return. A guest that cannot be reached is renewed before the next scenario.
            let _ = self.stop();
        }
    }
}
