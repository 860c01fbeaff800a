//! The witnesses of a fleet's guests, at the pace of its profile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Fleet, all};
use crate::failure::Result;
use crate::guest::{ClockMap, Guest, Pulse, Testimony, witness};
use crate::scenario::Mode;
use crate::sys::parallel::at_once;

impl Fleet {
    /// Starts a witness in each of these guests that has none.
    pub fn start_witnesses(&self, guests: &[Arc<Guest>]) -> Result<()> {
        let memory = self.profile.pattern_memory;
        all(self
            .by_login("start a witness", guests, |guest| witness::start(&guest.agent, memory, &self.stop)))
    }

    /// Replaces the witness in each of these guests.
    pub fn restart_witnesses(&self, guests: &[Arc<Guest>]) -> Result<()> {
        let memory = self.profile.pattern_memory;
        let restarted = self.by_login("start a witness anew", guests, |guest| {
            witness::restart(&guest.agent, memory, &self.stop)
        });
        all(restarted)
    }

    /// Makes a guest's witness rewrite its memory at the pace of a mode, or pause without a mode.
    pub fn pace_witness(&self, guest: &Guest, mode: Option<Mode>) -> Result<()> {
        let interval = mode.map_or(Duration::ZERO, |mode| self.profile.rewrite(mode));
        let pulse = witness::pulse_interval(self.inventory.accelerator.kind);
        witness::begin(&guest.agent, interval, pulse, self.answer_limit())
    }

    /// Makes a guest's witness verify its memory and its disk.
    pub fn hear_witness(&self, guest: &Guest) -> Result<Testimony> {
        witness::prove(&guest.agent, self.answer_limit())
    }

    /// The guest's standstills and speed of memory writes since the last question, by its own clock, with a map from that
    /// clock to ours.
    pub fn pulse_of(&self, guest: &Guest) -> Result<(Pulse, ClockMap)> {
        let ask = |from_us| {
            let asked = Instant::now();
            let pulse = witness::pulse(&guest.agent, from_us, self.answer_limit())?;
            let map = ClockMap::new(&pulse, asked, Instant::now());
            Ok((pulse, map))
        };
        let from_us = guest.heard_us.load(Ordering::SeqCst);
        let mut heard: (Pulse, ClockMap) = ask(from_us)?;
        if heard.0.now_us < from_us {
            // The witness was started anew since the last question, and its clock with it.
            heard = ask(0)?;
        }
        guest.heard_us.store(heard.0.now_us, Ordering::SeqCst);
        Ok(heard)
    }

    /// Checks that every guest and its witness answer. It asks for next to nothing, and takes milliseconds.
    ///
    /// # Errors
    ///
    /// One does not answer.
    pub fn witnesses_answer(&self) -> Result<()> {
        let asked = at_once("ask a witness for a sign of life", &self.guests, |guest| {
            let from_us = guest.heard_us.load(Ordering::SeqCst);
            witness::pulse(&guest.agent, from_us, self.answer_limit()).map(drop)
        });
        asked.into_iter().collect()
    }

    /// How long an answer of a guest may take.
    pub fn answer_limit(&self) -> Duration {
        self.profile.answer_limit()
    }
}
