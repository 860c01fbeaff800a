//! Booting: the guests that were to boot during a move did.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Proof;
use crate::load::Boot;
use crate::migration::LegReport;

const CHECK: &str = "booting";

/// Load guests: one of them at least was booting at some time of the move, and none failed to come up.
pub fn others(boots: &[Boot], leg: &LegReport) -> Proof {
    let expected = "a load guest booting while the guest migrates, and all of them coming up";
    if let Some((guest, error)) = boots.iter().find_map(|boot| Some((&boot.guest, boot.error.as_ref()?))) {
        return Proof::new(CHECK, false, expected, format!("{guest}: {error}"));
    }
    let (Some(began), Some(ended)) = (leg.began, leg.ended) else {
        return Proof::new(CHECK, false, expected, "the migration has no beginning and end");
    };
    let booting: Vec<String> = boots
        .iter()
        .filter(|boot| boot.overlaps(began, ended))
        .map(|boot| format!("{} on {}", boot.guest, boot.side))
        .collect();
    let seen = if booting.is_empty() { "none".to_owned() } else { booting.join(", ") };
    Proof::new(CHECK, !booting.is_empty(), expected, seen)
}

/// When the moves are over and every boot has ended: a proof for every load guest.
pub fn all_up(boots: &[Boot]) -> Vec<(String, Proof)> {
    let guests: BTreeSet<&String> = boots.iter().map(|boot| &boot.guest).collect();
    let proof = |guest: &String| {
        let own: Vec<&Boot> = boots.iter().filter(|boot| boot.guest == *guest).collect();
        let failed = own.iter().find(|boot| boot.up.is_none());
        let seen = match failed {
            None => format!("{} boots, all of them came up", own.len()),
            Some(boot) => boot.error.clone().unwrap_or_else(|| "it did not come up".into()),
        };
        (guest.clone(), Proof::new(CHECK, failed.is_none(), "every boot of the load guest comes up", seen))
    };
    guests.into_iter().map(proof).collect()
}

/// A guest that was started right before its move: it was not up when the move began.
pub fn itself(started: Instant, up: Instant, leg: &LegReport) -> Proof {
    let expected = "the guest not up yet when its migration began";
    let (Some(began), Some(ended)) = (leg.began, leg.ended) else {
        return Proof::new(CHECK, false, expected, "the migration has no beginning and end");
    };
    let seconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64();
    let seen = format!(
        "started {:.1} s before the migration began, which took {:.1} s; up {:.1} s after its beginning",
        seconds(started, began),
        seconds(began, ended),
        seconds(began, up)
    );
    Proof::new(CHECK, started <= began && up > began, expected, seen)
}

/// A guest that did not come up.
pub fn never(why: &str) -> Proof {
    Proof::new(CHECK, false, "the guest boots to its end while and after it migrates", why).try_next(
        "read the guest's console log of both hosts in the evidence: its kernel died, or went on too slowly",
    )
}

/// A guest that was started boots once: neither it nor anybody else resets it while it boots and moves.
pub fn once(resets: usize) -> Proof {
    let proof = Proof::new(
        "reboot",
        resets == 0,
        "no reset from its start until it is up",
        format!("{resets} resets"),
    );
    if proof.ok {
        proof
    } else {
        proof.try_next("read its console logs of both hosts in the evidence for a triple fault or a panic")
    }
}
