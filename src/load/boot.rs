//! Guests that boot as load while others migrate, as a guard: each is started, and as soon as it has booted switched
//! off and started again, until the guard is closed; then it is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Done};
use crate::guest::{Fleet, Guest};
use crate::libvirt::Domain;
use crate::scenario::Side;
use crate::wait::Cancel;

/// One boot of one load guest.
#[derive(Debug, Clone)]
pub struct Boot {
    pub guest: String,
    pub side: Side,
    pub started: Instant,
    /// When it answered; none while it boots.
    pub up: Option<Instant>,
    /// Why it did not come up.
    pub error: Option<String>,
}

impl Boot {
    /// Whether it was booting at some time between two moments.
    pub fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.started < to && self.up.is_none_or(|up| up > from)
    }
}

/// Load guests that boot again and again.
pub struct BootLoad<'a> {
    fleet: &'a Fleet,
    guests: Vec<Arc<Guest>>,
    stop: Cancel,
    boots: Arc<Mutex<Vec<Boot>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<'a> BootLoad<'a> {
    /// Starts the first `count` load guests, alternately on source and target, and returns when all are booting.
    pub fn start(fleet: &'a Fleet, count: usize) -> Done<BootLoad<'a>> {
        let guests: Vec<Arc<Guest>> = fleet.load_guests.iter().take(count).cloned().collect();
        let images: Vec<String> = guests.iter().map(|guest| guest.image.clone()).collect();
        fleet.storage.create_overlays(&images)?;
        let mut load = BootLoad {
            fleet,
            guests: guests.clone(),
            stop: Cancel::new(),
            boots: Arc::default(),
            threads: Vec::new(),
        };
        for (guest, side) in guests.into_iter().zip([Side::Source, Side::Target].into_iter().cycle()) {
            guest.moved_to(side);
            let domain = fleet.define(&guest, fleet.hosts.get(side))?;
            let booting = Booting {
                limit: fleet.profile.boot_timeout,
                stop: load.stop.clone(),
                boots: Arc::clone(&load.boots),
                guest,
                side,
                domain,
            };
            let name = format!("boot {}", booting.guest.name);
            booting.switch_on()?;
            let thread = thread::Builder::new()
                .name(name)
                .spawn(move || booting.run())
                .attempting(|| "start a thread for a load guest".into())?;
            load.threads.push(thread);
        }
        Ok(load)
    }

    /// All boots so far.
    pub fn boots(&self) -> Vec<Boot> {
        locked(&self.boots).clone()
    }

    /// Ends the boots and removes the guests.
    pub fn close(mut self) -> Done<()> {
        self.end()
    }

    fn end(&mut self) -> Done<()> {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // A panic in it has been printed; the guest is removed all the same.
            let _ = thread.join();
        }
        let guests = std::mem::take(&mut self.guests);
        guests.iter().map(|guest| self.fleet.remove(guest)).fold(Ok(()), Done::and)
    }
}

impl Drop for BootLoad<'_> {
    fn drop(&mut self) {
        // The net under an early return; what is left is removed when the next fleet is made.
        let _ = self.end();
    }
}

struct Booting {
    guest: Arc<Guest>,
    side: Side,
    domain: Domain,
    limit: Duration,
    stop: Cancel,
    boots: Arc<Mutex<Vec<Boot>>>,
}

impl Booting {
    fn switch_on(&self) -> Done<()> {
        let started = Instant::now();
        self.domain.start().attempting(|| format!("start {}", self.guest.name))?;
        let guest = self.guest.name.clone();
        locked(&self.boots).push(Boot { guest, side: self.side, started, up: None, error: None });
        Ok(())
    }

    fn run(&self) {
        while !self.stop.is_cancelled() {
            let up = self.guest.await_up(self.limit, &self.stop);
            if self.stop.is_cancelled() {
                return;
            }
            let next = up.and_then(|up| {
                self.last(|boot| boot.up = Some(up));
                self.domain.destroy().attempting(|| format!("switch {} off", self.guest.name))?;
                self.switch_on()
            });
            if let Err(failure) = next {
                self.last(|boot| boot.error = Some(failure.to_string()));
                return;
            }
        }
    }

    /// Changes what is noted of this guest's last boot.
    fn last(&self, change: impl FnOnce(&mut Boot)) {
        let mut boots = locked(&self.boots);
        if let Some(boot) = boots.iter_mut().rev().find(|boot| boot.guest == self.guest.name) {
            change(boot);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
