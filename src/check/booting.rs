//! Booting: the guests that were to boot during a move did.

use std::time::{Duration, Instant};

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

/// The first boot of the guest is the one it was started for: its kernel began between the start and the answer.
pub fn once(started: Instant, seen_at: Instant, uptime_s: f64, limit: Duration) -> Proof {
    let since = seen_at.saturating_duration_since(started).as_secs_f64();
    // Firmware and boot loader run before the kernel's clock begins; a second boot would take as long as the first.
    let before_kernel = since - uptime_s;
    Proof::new(
        "reboot",
        before_kernel <= limit.as_secs_f64(),
        format!("one boot: the kernel's clock begins within {:.0} s of the start", limit.as_secs_f64()),
        format!("started {since:.1} s ago, uptime {uptime_s:.1} s"),
    )
}
