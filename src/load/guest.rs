//! A stress tool in a guest, as a guard: stopped when closed, and when dropped.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Done, Failure};
use crate::guest::{Guest, Observation};
use crate::host::quote;
use crate::wait::{Cancel, Look, wait_for};

/// How long a tool may take to start its workers, and to end: both are moments, even in a slow guest.
const LIMIT: Duration = Duration::from_secs(30);

/// A running load.
#[derive(Debug)]
pub struct GuestLoad {
    guest: Arc<Guest>,
    pub command: String,
    /// Process group of the tool and its workers; also the tool's pid.
    pub group: i32,
    running: bool,
}

impl GuestLoad {
    /// Starts the tool and waits until a worker of it has used CPU time.
    pub fn start(guest: &Arc<Guest>, command: &[String], cancel: &Cancel) -> Done<GuestLoad> {
        let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
        let shown = command.join(" ");
        // setsid makes it the leader of a process group of its own, with the pid that the shell knows; it is found
        // and ended by that group, whatever its workers are called.
        // Below ssh and the proofs in priority: it takes every cycle that is left, and none that they need.
        let script = format!(
            "nice -n 10 setsid {} > /tmp/multivm-load.log 2>&1 < /dev/null & echo $!",
            words.join(" ")
        );
        let answer = guest.remote.check(&script, LIMIT)?;
        let group = answer.trim().parse().map_err(|_| {
            Failure::new(format!("start `{shown}`"), format!("the shell answered {answer:?}"))
                .at(guest.name.as_str())
        })?;
        let load = GuestLoad { guest: Arc::clone(guest), command: shown, group, running: true };
        load.await_work(cancel)?;
        Ok(load)
    }

    fn await_work(&self, cancel: &Cancel) -> Done<()> {
        wait_for(&format!("`{}` to work in {}", self.command, self.guest.name), LIMIT, cancel, || {
            let seen = match self.guest.observe(LIMIT) {
                Ok(seen) => seen,
                Err(failure) => return Look::NotYet(failure.to_string()),
            };
            let group = seen.group(self.group);
            let working = group.iter().any(|process| process.ticks > 0);
            // Between its start and setsid it is in the shell's group.
            let gone = seen.processes.iter().all(|process| process.pid != self.group);
            match (working, gone) {
                (true, _) => Look::Ready(()),
                (false, true) => Look::Never(self.last_words()),
                (false, false) => Look::NotYet(format!("{} processes, none with CPU time yet", group.len())),
            }
        })
    }

    fn last_words(&self) -> String {
        let said = self.guest.remote.check("cat /tmp/multivm-load.log", LIMIT).unwrap_or_default();
        format!("it has ended; it said: {}", said.trim())
    }

    /// The name of the guest it runs in.
    pub fn guest(&self) -> &str {
        &self.guest.name
    }

    /// CPU time of all processes of the load, clock ticks; none if no process of it is alive.
    pub fn ticks(&self, seen: &Observation) -> Option<u64> {
        let group = seen.group(self.group);
        (!group.is_empty()).then(|| group.iter().map(|process| process.ticks).sum())
    }

    /// Ends the load and waits until no process of it is left.
    pub fn close(mut self) -> Done<()> {
        self.stop()
    }

    fn stop(&mut self) -> Done<()> {
        self.running = false;
        let group = self.group;
        // A group whose last process ended already is no error.
        let script = format!("while kill -KILL -{group} 2> /dev/null; do sleep 0.05; done");
        self.guest.remote.check(&script, LIMIT).map(drop)
    }
}

impl Drop for GuestLoad {
    fn drop(&mut self) {
        if self.running {
            // The net under an early return. A guest that cannot be reached is renewed before the next scenario.
            let _ = self.stop();
        }
    }
}
