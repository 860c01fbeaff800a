//! The move was what the scenario says: a post-copy migration that never switched was a pre-copy one, and the two
//! directions of a crossing step that did not overlap were two moves one after the other.

use std::time::Duration;

use super::Proof;
use crate::migration::LegReport;

/// A post-copy migration must have switched.
pub fn post_copy(report: &LegReport) -> Proof {
    let expected = "a switch to post-copy after the first pre-copy pass";
    match report.switchover {
        Some(after) => Proof::new("post_copy", true, expected, format!("after {:.3} s", after.as_secs_f64())),
        None => {
            let passes = report.stats.as_ref().and_then(|stats| stats.memory_iteration).unwrap_or_default();
            Proof::new(
                "post_copy",
                false,
                expected,
                format!("none; it completed as pre-copy after {passes} passes"),
            )
            .try_next("the guest dirtied too little memory for a second pass: give it more load")
        }
    }
}

/// A compressed migration must have had XBZRLE at work: it had a cache, and looked pages that were sent again up in it.
pub fn compressed(report: &LegReport) -> Proof {
    let stats = report.stats.as_ref();
    let number = |value: Option<u64>| value.unwrap_or_default();
    let cache = number(stats.and_then(|stats| stats.compression_cache_bytes));
    let seen = format!(
        "a cache of {} MiB, {} pages sent compressed in {} bytes, {} cache misses, {} overflows",
        cache >> 20,
        number(stats.and_then(|stats| stats.compression_pages)),
        number(stats.and_then(|stats| stats.compression_bytes)),
        number(stats.and_then(|stats| stats.compression_cache_misses)),
        number(stats.and_then(|stats| stats.compression_overflow)),
    );
    let looked_up = number(stats.and_then(|stats| stats.compression_pages))
        + number(stats.and_then(|stats| stats.compression_cache_misses));
    // In the first pass every page is sent for the first time, and there is nothing to look up.
    let again = number(stats.and_then(|stats| stats.memory_iteration)) > 1;
    let expected = "XBZRLE at work: a cache, in which pages are looked up that are sent again";
    Proof::new("compressed", cache > 0 && (looked_up > 0 || !again), expected, seen)
}

/// A pre-copy migration must not have needed the guest to stand still in order to finish.
pub fn not_suspended(report: &LegReport, allowed: bool) -> Proof {
    let expected = "the guest runs until its last pages are sent; nobody suspends it";
    match report.suspended {
        None => Proof::new("live", true, expected, "it did"),
        Some(after) => {
            let seen = format!("suspended {:.3} s after the migration began", after.as_secs_f64());
            Proof::new("live", allowed, expected, seen).try_next(
                "if that is MULTIVM_PRECOPY_TIMEOUT, it dirties memory faster than it can be sent: raise it, or allow the \
                 suspension with MULTIVM_AT_TIMEOUT=suspend_allowed; else somebody or something else suspended it",
            )
        }
    }
}

/// How long both directions of a step were under way at the same time.
pub fn overlap(outbound: &LegReport, inbound: &LegReport) -> Proof {
    let both = [outbound, inbound];
    let began = both.iter().filter_map(|report| report.began).max();
    let ended = both.iter().filter_map(|report| report.ended).min();
    let overlap = match (began, ended) {
        (Some(began), Some(ended)) => ended.saturating_duration_since(began),
        _ => Duration::ZERO,
    };
    Proof::new(
        "overlap",
        !overlap.is_zero(),
        "the outbound and the inbound migration under way at the same time",
        format!("for {:.3} s", overlap.as_secs_f64()),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn moves_one_after_the_other_do_not_overlap() {
        let zero = Instant::now();
        let report = |from, to| LegReport {
            began: Some(zero + Duration::from_secs(from)),
            ended: Some(zero + Duration::from_secs(to)),
            ..LegReport::default()
        };
        assert!(!overlap(&report(0, 2), &report(2, 4)).ok);
        let proof = overlap(&report(0, 3), &report(1, 4));
        assert!(proof.ok && proof.seen.contains("2.000 s"), "{proof:?}");
    }

    #[test]
    fn a_suspended_guest_is_not_live_unless_that_is_allowed() {
        let report = LegReport { suspended: Some(Duration::from_secs(1)), ..LegReport::default() };
        assert!(!not_suspended(&report, false).ok && not_suspended(&report, true).ok);
        assert!(not_suspended(&LegReport::default(), false).ok);
    }

    #[test]
    fn post_copy_without_a_switch_is_no_post_copy() {
        assert!(!post_copy(&LegReport::default()).ok);
    }
}
