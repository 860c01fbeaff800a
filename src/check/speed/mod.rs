//! As fast as before: a guest that has arrived gets CPU, writes memory and reaches its disk about as fast as before its first move.
//!
//! Every number is the guest's own, by our program there: how much of the time it was awake when it should be, how long it took to
//! rewrite memory, and how long its disk took for each read and each synced write past the page cache. A stay is not judged by its worst moments: a busy host makes
//! single samples tens of times slower in scenarios in which nothing is wrong. Memory is written by the clock, so that a guest which
//! shares its CPU seems to write it slowly, however fast it is: of a guest with a load beside such a guest and such a host on two CPUs,
//! nine in ten samples were more than 10 times slower. So its best moment of a stay, and of the worst part of one, is compared with its good ones
//! before, the fastest fifth. Of synced writes, the two longest aside, it is the one in slower ones than which three quarters of the time
//! are spent: a disk that somebody else keeps busy has fast writes in between, one that is limited has none; or the fastest one of 4 s
//! and more in which none was within the limit. Reads and transfers of many records are judged alike: a disk may be limited in
//! any of them alone. Neither CPU nor disk is held to account for time in which the guest waited for a CPU that others had. A disk that completes nothing has the limit of a silent network, `max_recovery`; time in which the storage's server
//! itself waited for its disks is not counted.

mod about;
mod baseline;
mod cpu;
mod disk;
mod judge;
mod memory;
mod pace;
mod seen;
mod slowdown;
mod stalls;
mod standstill;
mod totals;
mod waits;

use humantime::format_duration;

use super::stays::{self, Stays};
use super::{About, Asked, Check, End, GuestPace, LegEnd, Proof, Scene};
use crate::failure::Result;
use crate::plan::Direction;
use crate::scenario::{Profile, Scenario, Side};
use crate::sys::watch::Watch;
pub use about::ABOUT;
use baseline::{BaselineTime, Baselines};
use disk::{KINDS, MEASURES};
use judge::{SpeedLimits, judge, judge_disks_together, judge_together};
use seen::SeenStay;
use standstill::standstill;
use totals::Totals;
use waits::{WaitWatches, Waits};

/// The check.
pub struct SameSpeed;

impl Check for SameSpeed {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        stays::are_judged(scenario)
    }

    fn explain(&self, _scenario: &Scenario, profile: &Profile) -> String {
        format!(
            "as fast as before: where a guest has arrived its CPU, memory and disk (reads, synced writes and transfers of 64 KiB) are at \
             most {} times slower than before, and its disk completes a read and a synced write at least every {}",
            profile.max_slowdown,
            format_duration(profile.max_recovery)
        )
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(SpeedAsked {
            limits: SpeedLimits {
                slowdown: f64::from(scene.fleet.profile.max_slowdown),
                recovery: scene.fleet.profile.max_recovery,
            },
            stays: Stays::default(),
            stalls: stalls::watch(&scene.fleet.storage)?,
            waits: Some(waits::watch(&scene.fleet.hosts)?),
        }))
    }
}

struct SpeedAsked {
    limits: SpeedLimits,
    stays: Stays,
    /// None where nothing is known of the storage's server.
    stalls: Option<Watch<Totals>>,
    /// None when it has ended.
    waits: Option<WaitWatches>,
}

impl Asked for SpeedAsked {
    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        self.stays.on_leg(end);
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        // Guests of a fleet are alike: one that moved at once is compared with those that waited.
        let waits = self.waits.take().map(WaitWatches::stop).unwrap_or_default();
        let both = self.before(end.paces, &waits);
        let all = both.resting;
        let stalls = self.stalls.take().and_then(|watch| watch.stop().ok()).unwrap_or_default();
        let mut proofs = Vec::new();
        let mut short: [Vec<SeenStay<'_>>; 2] = Default::default();
        // Of each of the measures, and of each host.
        let mut few: [[Vec<SeenStay<'_>>; 2]; KINDS] = Default::default();
        for pace in end.paces {
            let own = self.before(std::slice::from_ref(pace), &waits).resting.or(&all);
            for stay in self.stays.of(&pace.guest) {
                let side = stay.leg.direction.to();
                let seen = SeenStay::new(pace, stay, waits.of(&pace.guest, side));
                let host = usize::from(stay.leg.direction == Direction::Back);
                let stood = standstill(&seen, &stalls, self.limits.recovery);
                let judged = judge(seen, &own, self.limits);
                match (stood, judged) {
                    (Some(proof), _) => proofs.push(proof.of(&pace.guest).after(stay.leg)),
                    (None, Some(judged)) => {
                        let lacks = few.iter_mut().zip(judged.by_measures).filter(|(_, judged)| !judged);
                        lacks.filter(|_| judged.proof.ok).for_each(|(few, _)| few[host].push(seen));
                        proofs.push(judged.proof.of(&pace.guest).after(stay.leg));
                    }
                    (None, None) => short[host].push(seen),
                }
            }
        }
        for (number, host) in [Side::Target, Side::Source].into_iter().enumerate() {
            proofs.extend(judge_together(&short[number], host, &both, self.limits));
            for (measures, few) in MEASURES.into_iter().zip(&few) {
                proofs.extend(judge_disks_together(measures, &few[number], host, &all, self.limits));
            }
        }
        proofs
    }
}

impl SpeedAsked {
    /// How fast guests were together before each of them moved first, which is from the source.
    fn before(&self, paces: &[GuestPace], waits: &Waits) -> Baselines {
        Baselines::of(paces.iter().map(|pace| {
            let guest = &pace.guest;
            let (until, waits) = (self.stays.first_move(guest), waits.of(guest, Side::Source));
            (BaselineTime { pace, until, waits }, self.stays.first_departure(guest))
        }))
    }
}

#[cfg(test)]
const MS: std::time::Duration = std::time::Duration::from_millis(1);
