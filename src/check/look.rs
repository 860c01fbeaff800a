//! A look into a guest, taken once and shared by all checks that compare guests.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::guest_time::GuestTime;
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::guest::{ClockMap, Fleet, Guest, LastLook, Pulse, Reach, Testimony};
use crate::plan::Leg;
use crate::remote::Observation;
use crate::sys::halt;

/// The state of a guest at one moment.
#[derive(Debug, Clone)]
pub struct GuestLook {
    pub guest: Arc<Guest>,
    /// The move before this look; none before the first move and for a second look at the end.
    pub leg: Option<Leg>,
    /// The guest's next move, if that began before the look had ended.
    pub beside: Option<Leg>,
    /// The guest's look before this one; none if it was started anew since, or somebody knew it to be damaged.
    pub earlier: Option<LastLook>,
    /// The moment of the look.
    pub at: Instant,
    pub seen: Observation,
    pub clock: GuestTime,
    /// Whether the guest answered a new TCP connection within `max_recovery`.
    pub connected: Result<()>,
    /// Whether the guest reached the next one of the fleet within `max_recovery`; none where that is not known.
    pub reached: Option<Reach>,
    /// What the witness verified, or why it did not answer.
    pub said: Result<Testimony>,
    /// When the guest stood still and how fast it wrote memory since the look before, by its own clock.
    pub pulse: Result<(Pulse, ClockMap)>,
}

impl GuestLook {
    /// Looks into a guest that answers. Nobody waits for the answer of a guest whose kernel has panicked.
    pub fn take(fleet: &Fleet, guest: &Arc<Guest>, leg: Option<Leg>) -> Result<GuestLook> {
        if let Some(panic) = fleet.consoles.panic_of(&guest.name) {
            let cause = Cause::new(FailureKind::Unreachable, panic.to_string());
            return Err(Failure::new(format!("look into {}", guest.name), cause));
        }
        let at = Instant::now();
        let seen = guest.agent.observe(fleet.answer_limit())?;
        let earlier = guest.last_look();
        fleet.note_look(guest, &seen);
        let clock = GuestTime {
            guest_s: seen.realtime_s,
            asked: at,
            answered: seen.at,
            suspended: halt::suspended(),
        };
        let (limit, stop) = (fleet.profile.max_recovery, fleet.stop_flag());
        // Our program answers one question at a time: a proof would take most of the time that a connection may take.
        let (connected, reached) = thread::scope(|scope| {
            let reach = || guest.reach(fleet.next_to(guest)?, limit, fleet.answer_limit(), stop);
            let reached = scope.spawn(reach);
            let connected = guest.await_new_connection(limit, stop);
            (connected, reached.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let said = fleet.hear_witness(guest);
        let pulse = fleet.pulse_of(guest);
        let guest = Arc::clone(guest);
        Ok(GuestLook { guest, leg, beside: None, earlier, at, seen, clock, connected, reached, said, pulse })
    }

    /// Makes a proof about this guest, charged to the move before the look.
    pub fn proof(&self, proof: super::Proof) -> super::Proof {
        let mut proof = proof.of(&self.guest.name).after(self.leg);
        if !proof.ok {
            proof.seen += &GuestLook::also_after(self.beside);
        }
        proof
    }

    /// What a finding adds about a guest whose next move had begun before the guest was known.
    pub fn also_after(beside: Option<Leg>) -> String {
        beside.map_or_else(String::new, |leg| {
            format!(
                " (the guest's next move, {} in round {}, had begun before this was known)",
                leg.direction, leg.round
            )
        })
    }

    /// Whether the kernel log has news: a first look at a new guest shows its boot and nothing else.
    pub fn has_news(&self) -> bool {
        self.leg.is_some() || !self.seen.whole_log
    }
}

#[cfg(test)]
impl GuestLook {
    /// A look at a guest that does not exist, whose witness does not answer.
    pub fn in_a_test(guest: &str, boot_id: &str, at: Instant) -> GuestLook {
        let failure = || crate::failure::Failure::new("look in a test", "there is no guest");
        GuestLook {
            guest: Arc::new(Guest::in_a_test(guest)),
            leg: None,
            beside: None,
            earlier: None,
            at,
            seen: Observation::in_a_test(boot_id, at),
            clock: GuestTime { guest_s: 0.0, asked: at, answered: at, suspended: std::time::Duration::ZERO },
            connected: Ok(()),
            reached: None,
            said: Err(failure()),
            pulse: Err(failure()),
        }
    }
}
