//! The wires of one connection: a call takes one that is free, and opens another one when calls overlap.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::wire::{Turn, Wire};
use super::{Libvirt, Result};
use crate::sys::parallel::locked;

/// How long a call waits for a free wire before it opens another one. Most calls take milliseconds, and another wire takes longer.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How often a call that waits for its turn looks for a wire.
const LOOK_AT_WIRES: Duration = Duration::from_millis(2);

pub(super) struct Wires {
    /// The wire from the beginning, which has the events and tells whether the connection is open.
    pub first: Arc<Wire>,
    others: Mutex<Others>,
    most: usize,
    host: Arc<str>,
    uri: String,
    libvirt: Libvirt,
}

#[derive(Default)]
struct Others {
    wires: Vec<Arc<Wire>>,
    /// How many more are being opened.
    opening: usize,
}

impl Wires {
    /// Opens the first wire. There will be no more than `most`.
    pub fn open(uri: String, host: Arc<str>, libvirt: Libvirt, most: usize) -> Result<Wires> {
        let first = Wire::dial(&uri, &host, &libvirt)?;
        Ok(Wires { first, others: Mutex::default(), most, host, uri, libvirt })
    }

    /// The first wire, as soon as no call has it; none if that is not before the deadline.
    pub fn take_first(&self, deadline: Instant) -> Option<Turn> {
        until(deadline, || self.first.take())
    }

    /// A wire for one call: one that is free, or another one if there may be more; none if there is none before the deadline.
    pub fn take(&self, deadline: Instant) -> Option<Turn> {
        let soon = (Instant::now() + PATIENCE).min(deadline);
        let turn = until(soon, || self.free()).or_else(|| self.another());
        match turn {
            // The caller may have given up meanwhile, and an order must not come after that.
            Some(turn) => (Instant::now() < deadline).then_some(turn),
            None => until(deadline, || self.free()),
        }
    }

    /// How many wires there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        1 + locked(&self.others).wires.len()
    }

    /// A wire that nobody uses. One of the others that was closed is forgotten.
    fn free(&self) -> Option<Turn> {
        if let Some(turn) = self.first.take() {
            return Some(turn);
        }
        // These close when the others are no longer locked: a close may take a while.
        let mut closed = Vec::new();
        let mut others = locked(&self.others);
        loop {
            let mut wires = others.wires.iter().enumerate();
            let (number, turn) = wires.find_map(|(number, wire)| Some((number, wire.take()?)))?;
            if turn.is_open() {
                return Some(turn);
            }
            closed.push((others.wires.remove(number), turn));
        }
    }

    /// Opens another wire; none if there are enough, or the daemon takes no more: then one of the others will be free, or say why not.
    fn another(&self) -> Option<Turn> {
        {
            let mut others = locked(&self.others);
            if 1 + others.wires.len() + others.opening >= self.most {
                return None;
            }
            others.opening += 1;
        }
        let wire = Wire::dial(&self.uri, &self.host, &self.libvirt);
        let mut others = locked(&self.others);
        others.opening -= 1;
        let wire = wire.ok()?;
        let turn = wire.take();
        others.wires.push(wire);
        turn
    }
}

/// Tries again and again to take a wire before the deadline.
fn until(deadline: Instant, take: impl Fn() -> Option<Turn>) -> Option<Turn> {
    while Instant::now() < deadline {
        if let Some(turn) = take() {
            return Some(turn);
        }
        thread::sleep(LOOK_AT_WIRES);
    }
    None
}
