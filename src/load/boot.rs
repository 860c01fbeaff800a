//! Guests that boot as load while others migrate, as a guard. Each starts, switches off as soon as it has booted, and starts
//! again, until the guard is closed and removes them.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Result};
use crate::guest::{Consoles, Fleet, Guest};
use crate::libvirt::OurDomain;
use crate::scenario::Side;
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;

/// How often it is looked whether a guest that boots is waited for any longer.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// One boot of one load guest.
#[derive(Debug, Clone)]
pub struct Boot {
    pub guest: String,
    pub side: Side,
    pub started: Instant,
    /// The moment of its answer; none while it boots.
    pub up: Option<Instant>,
    /// Why the guest did not come up.
    pub error: Option<String>,
}

impl Boot {
    /// Whether it was booting at some time between two moments.
    pub fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.started < to && self.up.is_none_or(|up| up > from)
    }
}

/// The boots of all load guests, in the order of their starts. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct BootLog(Arc<Mutex<Vec<Boot>>>);

impl BootLog {
    pub fn boots(&self) -> Vec<Boot> {
        locked(&self.0).clone()
    }
}

#[cfg(test)]
impl From<Vec<Boot>> for BootLog {
    fn from(boots: Vec<Boot>) -> BootLog {
        BootLog(Arc::new(Mutex::new(boots)))
    }
}

/// Load guests that boot again and again.
pub struct BootLoad<'a> {
    fleet: &'a Fleet,
    guests: Vec<Arc<Guest>>,
    stop: StopFlag,
    last_round: StopFlag,
    boots: BootLog,
    threads: Vec<(String, JoinHandle<()>)>,
}

impl<'a> BootLoad<'a> {
    /// Starts the first `count` load guests, alternately on source and target, and returns when all are booting.
    pub fn start(fleet: &'a Fleet, count: usize) -> Result<BootLoad<'a>> {
        let guests: Vec<Arc<Guest>> = fleet.load_guests.iter().take(count).cloned().collect();
        fleet.refuse_foreign(&guests)?;
        fleet.create_overlays(&guests)?;
        let mut load = BootLoad {
            fleet,
            guests: guests.clone(),
            stop: StopFlag::new(),
            last_round: StopFlag::new(),
            boots: BootLog::default(),
            threads: Vec::new(),
        };
        for (guest, side) in guests.into_iter().zip([Side::Source, Side::Target].into_iter().cycle()) {
            guest.moved_to(side);
            let domain = fleet.define(&guest, fleet.hosts.get(side))?;
            let boot_loop = BootLoop {
                limit: fleet.profile.boot_timeout,
                stop: load.stop.clone(),
                last_round: load.last_round.clone(),
                boots: load.boots.clone(),
                consoles: Arc::clone(&fleet.consoles),
                guest,
                side,
                domain,
            };
            let name = boot_loop.guest.name.clone();
            boot_loop.switch_on()?;
            let thread = thread::Builder::new()
                .name(format!("boot {name}"))
                .spawn(move || boot_loop.run())
                .attempting(|| "start a thread for a load guest".into())?;
            load.threads.push((name, thread));
        }
        Ok(load)
    }

    /// All boots, including later ones.
    pub fn log(&self) -> BootLog {
        self.boots.clone()
    }

    /// Starts no guest anew from now on.
    pub fn start_no_more(&self) {
        self.last_round.set();
    }

    /// Starts no more guests, and waits until all that boot are up or have failed, or the run is interrupted.
    pub fn finish(&mut self) {
        self.start_no_more();
        for (guest, thread) in self.threads.drain(..) {
            while !thread.is_finished() {
                if self.fleet.stop_flag().is_set() {
                    self.stop.set();
                }
                thread::park_timeout(LOOK_INTERVAL);
            }
            if thread.join().is_err() {
                note(&self.boots.0, &guest, |boot| boot.error = Some("its thread panicked".into()));
            }
        }
    }

    /// Ends the boots and removes the guests.
    pub fn close(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.set();
        for (_, thread) in self.threads.drain(..) {
            // The panic has been printed, and the guest is removed anyway.
            let _ = thread.join();
        }
        let guests = std::mem::take(&mut self.guests);
        guests.iter().map(|guest| self.fleet.remove(guest)).fold(Ok(()), Result::and)
    }
}

impl Drop for BootLoad<'_> {
    fn drop(&mut self) {
        // This catches an early return; the next fleet removes what it leaves.
        let _ = self.end();
    }
}

struct BootLoop {
    consoles: Arc<Consoles>,
    guest: Arc<Guest>,
    side: Side,
    domain: OurDomain,
    limit: Duration,
    stop: StopFlag,
    last_round: StopFlag,
    boots: BootLog,
}

impl BootLoop {
    /// Starts the guest. The boot is noted first, so that at every moment there is one.
    fn switch_on(&self) -> Result<()> {
        let boot = Boot {
            guest: self.guest.name.clone(),
            side: self.side,
            started: Instant::now(),
            up: None,
            error: None,
        };
        locked(&self.boots.0).push(boot);
        let attempted = || format!("start {} anew", self.guest.name);
        if self.domain.is_active().attempting(attempted)? {
            self.domain.destroy().attempting(attempted)?;
        }
        self.consoles.begin_anew(&self.guest);
        self.domain.start().attempting(attempted)
    }

    fn run(&self) {
        loop {
            let is_gone = || self.domain.is_active().is_ok_and(|active| !active);
            let up = self.guest.await_up(self.limit, &self.consoles, &self.stop, is_gone);
            if self.stop.is_set() {
                return;
            }
            let next = up.and_then(|up| {
                note(&self.boots.0, &self.guest.name, |boot| boot.up = Some(up));
                if self.last_round.is_set() { Ok(()) } else { self.switch_on() }
            });
            if let Err(failure) = &next {
                note(&self.boots.0, &self.guest.name, |boot| boot.error = Some(failure.to_string()));
            }
            if next.is_err() || self.last_round.is_set() {
                // A boot that began just before the last round must still end.
                let pending = locked(&self.boots.0)
                    .iter()
                    .any(|boot| boot.guest == self.guest.name && boot.up.is_none() && boot.error.is_none());
                if !pending {
                    return;
                }
            }
        }
    }
}

/// Changes the note of a guest's last boot.
fn note(boots: &Mutex<Vec<Boot>>, guest: &str, change: impl FnOnce(&mut Boot)) {
    let mut boots = locked(boots);
    if let Some(boot) = boots.iter_mut().rev().find(|boot| boot.guest == guest) {
        change(boot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_that_ended_before_does_not_overlap() {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let boot = |started, up: Option<u64>| Boot {
            guest: "load1".into(),
            side: Side::Source,
            started: at(started),
            up: up.map(at),
            error: None,
        };
        assert!(boot(0, Some(5)).overlaps(at(4), at(6)));
        assert!(boot(0, None).overlaps(at(4), at(6)));
        assert!(!boot(0, Some(3)).overlaps(at(4), at(6)));
        assert!(!boot(7, None).overlaps(at(4), at(6)));
    }
}
