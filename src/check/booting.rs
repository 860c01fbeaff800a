//! Booting: the guests that should boot during a move did boot during it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{About, Advice, Asked, BootEnd, Check, End, LegEnd, Moment, Proof, Scene};
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
        Ok(Box::new(BootingAsked { others, boots: BootLog::default() }))
    }
}

struct BootingAsked {
    /// Whether load guests boot, instead of those that move.
    others: bool,
    boots: BootLog,
}

impl Asked for BootingAsked {
    fn on_load(&mut self, load: &LoadWatch) {
        self.boots = load.boots.clone();
    }

    fn on_boot(&mut self, boot: &BootEnd<'_>) -> Vec<Proof> {
        let proof = match boot.up {
            Ok(up) => itself(boot.started, up, boot.report),
            Err(failure) => never(&failure.to_string()),
        };
        vec![proof.of(&boot.guest.name).after(boot.leg)]
    }

    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        if self.others && end.is_complete() {
            vec![end.proof(others(&self.boots.boots(), end.report))]
        } else {
            Vec::new()
        }
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        if end.interrupted {
            return Vec::new();
        }
        all_up(&self.boots.boots()).into_iter().map(|(guest, proof)| proof.of(&guest)).collect()
    }
}

/// Proves load guests: at least one of them was booting during the move, and all of them came up.
pub fn others(boots: &[Boot], leg: &LegReport) -> Proof {
    let expected = "a load guest booting while the guest migrates, and all of them coming up";
    if let Some((guest, error)) = boots.iter().find_map(|boot| Some((&boot.guest, boot.error.as_ref()?))) {
        return Proof::new(&ABOUT, false, expected, format!("{guest}: {error}")).advise(&LOAD);
    }
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

/// A proof for every load guest, made when the moves are over and every boot has ended.
pub fn all_up(boots: &[Boot]) -> Vec<(String, Proof)> {
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
