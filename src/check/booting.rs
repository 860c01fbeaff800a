//! Booting: the guests that should boot during a move did boot during it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{About, Advice, Asked, BootEnd, Check, End, LegEnd, Moment, Outage, Proof, Scene};
use crate::failure::Result;
use crate::load::{Boot, BootLog, LoadWatch};
use crate::migration::LegReport;
use crate::scenario::{Scenario, Workload};

pub static ABOUT: About = About {
    id: "booting",
    summary: "guests booted meanwhile",
    how: "at some time of every migration a load guest, or the guest itself, was booting, and all came up",
    asked: &[Moment::Leg, Moment::End],
    only: Some("`booting`"),
    advice: &[NEVER, LOAD],
    ..About::BASE
};

const NEVER: Advice = Advice::new(
    "a guest that migrated while it booted did not come up",
    "read the guest's console log of both hosts in the evidence: its kernel died, or went on too slowly",
);

const LOAD: Advice = Advice::new(
    "a load guest did not boot",
    "read the load guest's console log and QEMU's log in the evidence: it died, or was too slow for the boot timeout",
);

/// The check.
pub struct GuestsBooted;

impl Check for GuestsBooted {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        matches!(scenario.workload, Workload::Boot(_))
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let others = !scene.scenario.boots_itself();
        Ok(Box::new(BootingAsked { others, boots: BootLog::default(), told: BTreeSet::new() }))
    }
}

struct BootingAsked {
    /// Whether load guests boot, instead of those that move.
    others: bool,
    boots: BootLog,
    /// Load guests of which it is told that they did not come up.
    told: BTreeSet<String>,
}

impl Asked for BootingAsked {
    fn on_load(&mut self, load: &LoadWatch) {
        self.boots = load.boots.clone();
    }

    fn on_boot(&mut self, boot: &BootEnd<'_>) -> Vec<Proof> {
        let proof = match boot.up {
            Ok(up) => itself(boot.started, up, boot.report),
            Err(failure) => never(&failure.to_string()).tells(Outage::silence(boot.started)),
        };
        vec![proof.of(&boot.guest.name).after(boot.leg)]
    }

    /// A load guest that does not come up is told once, of itself: while it boots, it is the load of whoever moves.
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        if !self.others || !end.is_complete() {
            return Vec::new();
        }
        let boots = self.boots.boots();
        if boots.iter().any(|boot| boot.error.is_some()) {
            return self.load_guests(boots.into_iter().filter(|boot| boot.error.is_some()).collect());
        }
        vec![end.proof(others(&boots, end.report))]
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        if end.interrupted { Vec::new() } else { self.load_guests(self.boots.boots()) }
    }
}

impl BootingAsked {
    /// A proof for each load guest, but for those that are told already.
    fn load_guests(&mut self, boots: Vec<Boot>) -> Vec<Proof> {
        let mut proofs = Vec::new();
        for (guest, proof) in all_up(&boots) {
            if !self.told.contains(&guest) {
                proofs.push(proof.of(&guest));
            }
        }
        let failed = proofs.iter().filter(|proof| !proof.ok);
        self.told.extend(failed.filter_map(|proof| proof.guest.clone()));
        proofs
    }
}

/// Proves that at least one load guest was booting during the move.
fn others(boots: &[Boot], leg: &LegReport) -> Proof {
    let expected = "a load guest booting while the guest migrates";
    let (Some(began), Some(ended)) = (leg.began, leg.ended) else {
        return Proof::new(&ABOUT, false, expected, "the migration has no beginning and end");
    };
    let booting: Vec<String> = boots
        .iter()
        .filter(|boot| boot.overlaps(began, ended))
        .map(|boot| format!("{} on {}", boot.guest, boot.side))
        .collect();
    let seen = if booting.is_empty() { "none".to_owned() } else { booting.join(", ") };
    Proof::new(&ABOUT, !booting.is_empty(), expected, seen)
}

/// A proof for every guest of these boots.
fn all_up(boots: &[Boot]) -> Vec<(String, Proof)> {
    let guests: BTreeSet<&String> = boots.iter().map(|boot| &boot.guest).collect();
    let proof = |guest: &String| {
        let own: Vec<&Boot> = boots.iter().filter(|boot| boot.guest == *guest).collect();
        let failed = own.iter().find(|boot| boot.up.is_none());
        let seen = match failed {
            None => format!("{} boots, all of them came up", own.len()),
            Some(boot) => boot.error.clone().unwrap_or_else(|| "it did not come up".into()),
        };
        let expected = "every boot of the load guest comes up";
        (guest.clone(), Proof::new(&ABOUT, failed.is_none(), expected, seen).advise(&LOAD))
    };
    guests.into_iter().map(proof).collect()
}

/// Proves a guest that booted right before its move: it was not up when the move began.
pub fn itself(started: Instant, up: Instant, leg: &LegReport) -> Proof {
    let expected = "the guest not up yet when its migration began";
    let (Some(began), Some(ended)) = (leg.began, leg.ended) else {
        return Proof::new(&ABOUT, false, expected, "the migration has no beginning and end");
    };
    let seconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64();
    let seen = format!(
        "started {:.1} s before the migration began, which took {:.1} s; up {:.1} s after its beginning",
        seconds(started, began),
        seconds(began, ended),
        seconds(began, up)
    );
    Proof::new(&ABOUT, started <= began && up > began, expected, seen)
}

/// The finding about a guest that did not come up.
pub fn never(why: &str) -> Proof {
    Proof::new(&ABOUT, false, "the guest boots to its end while and after it migrates", why).advise(&NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Guest;
    use crate::plan::{Direction, Leg};
    use crate::scenario::Side;

    fn boot(guest: &str, started: Instant, up: Option<Instant>, error: Option<&str>) -> Boot {
        Boot { guest: guest.into(), side: Side::Source, started, up, error: error.map(str::to_owned) }
    }

    /// What is found at the end of two moves and of the scenario, with these boots: guest, and whether it holds.
    fn found(boots: Vec<Boot>, began: Instant) -> Vec<(String, bool)> {
        let mut asked = BootingAsked { others: true, boots: boots.into(), told: BTreeSet::new() };
        let guest = Guest::in_a_test("vm1");
        let report = LegReport { began: Some(began), ended: Some(Instant::now()), ..LegReport::default() };
        let mut proofs = Vec::new();
        for direction in [Direction::Out, Direction::Back] {
            let leg = Leg { guest: 0, direction, round: 1 };
            let end = LegEnd { guest: &guest, leg, source: "source", report: &report, refused: false };
            proofs.extend(asked.on_leg(&end));
        }
        let answering = Default::default();
        let end =
            End { probes: Ok(&[]), paces: &[], downtimes: &[], answering: &answering, interrupted: false };
        proofs.extend(asked.at_end(&end));
        proofs.into_iter().map(|proof| (proof.guest.unwrap(), proof.ok)).collect()
    }

    #[test]
    fn a_load_guest_that_does_not_come_up_is_found_once_and_of_itself() {
        let began = Instant::now();
        let well = || boot("load2", began, Some(Instant::now()), None);
        let held = |guest: &str, ok| (guest.to_owned(), ok);
        let dead = boot("load1", began, None, Some("it ended"));
        assert_eq!(found(vec![dead, well()], began), [held("load1", false), held("load2", true)]);
        let all = found(vec![boot("load1", began, Some(Instant::now()), None), well()], began);
        assert_eq!(all, [held("vm1", true), held("vm1", true), held("load1", true), held("load2", true)]);
    }

    #[test]
    fn one_that_is_not_up_at_the_end_is_found() {
        let began = Instant::now();
        let found = found(vec![boot("load1", began, None, None)], began);
        assert_eq!(found.last().unwrap(), &("load1".to_owned(), false));
    }
}
