//! Reachable: the guest answered an uninterrupted stream of probes from outside, with no gap above a limit.

use std::time::{Duration, Instant, SystemTime};

use super::Proof;
use crate::probe::Summary;

const CHECK: &str = "reachable";

/// The guest must have answered, and no gap may be longer than `limit`.
pub fn check(summary: &Summary, limit: Duration) -> Proof {
    let longest = summary.longest.length;
    let ok = summary.received > 0 && longest <= limit;
    let seen = format!(
        "longest gap {:.3} s, from {}; {} of {} probes answered",
        longest.as_secs_f64(),
        humantime::format_rfc3339_millis(wall(summary.longest.from)),
        summary.received,
        summary.sent
    );
    let expected = format!("answers to probes from outside with no gap above {:.3} s", limit.as_secs_f64());
    let proof = Proof::new(CHECK, ok, expected, seen);
    if ok {
        proof
    } else {
        proof.try_next(
            "compare the time of the gap with the migrations in record.jsonl: outside of them the guest or its link \
             was down",
        )
    }
}

/// The stream did not come to its end.
pub fn unknown(why: &str) -> Proof {
    Proof::new(CHECK, false, "an uninterrupted stream of probes", format!("not known: {why}"))
}

/// A moment of the past by this machine's realtime clock.
pub fn wall(at: Instant) -> SystemTime {
    SystemTime::now() - at.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Gap;

    #[test]
    fn a_silent_guest_is_not_reachable() {
        let summary = Summary {
            guest: "vm1".into(),
            sent: 10,
            received: 0,
            gaps: Vec::new(),
            longest: Gap { from: Instant::now(), length: Duration::from_millis(200) },
            readings: Vec::new(),
            stalls: Default::default(),
        };
        assert!(!check(&summary, Duration::from_secs(10)).ok);
        assert!(check(&Summary { received: 1, ..summary }, Duration::from_secs(10)).ok);
    }
}
