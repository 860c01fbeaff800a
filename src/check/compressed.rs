//! It was compressed: XBZRLE was at work.

use super::{About, Advice, Check, Moment, Proof};
use crate::migration::LegReport;
use crate::scenario::{Scenario, Transport};

pub static ABOUT: About = About {
    id: "compressed",
    summary: "it was compressed",
    how: "XBZRLE had a cache, and looked pages up in it that were sent again; its numbers are in the record",
    asked: &[Moment::Leg],
    only: Some("the order `compressed`"),
    advice: &[IDLE],
    ..About::BASE
};

const IDLE: Advice = Advice::new(
    "XBZRLE did nothing",
    "does QEMU on both hosts have the capability xbzrle? Its log on the source is in the evidence",
);

/// The check.
pub struct Compressed;

impl Check for Compressed {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        scenario.transport == Transport::Xbzrle
    }
}

/// A compressed migration must have had a cache, and looked pages that were sent again up in it.
pub fn check(report: &LegReport) -> Proof {
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
    Proof::new(&ABOUT, cache > 0 && (looked_up > 0 || !again), expected, seen).advise(&IDLE)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::libvirt::JobStats;

    #[rstest]
    #[case::at_work(64, 3, 9, 2, true)]
    #[case::only_misses(64, 0, 9, 2, true)]
    #[case::one_pass(64, 0, 0, 1, true)]
    #[case::idle(64, 0, 0, 2, false)]
    #[case::no_cache(0, 3, 9, 2, false)]
    fn it_needs_a_cache_and_pages_in_it(
        #[case] cache_bytes: u64,
        #[case] pages: u64,
        #[case] misses: u64,
        #[case] passes: u64,
        #[case] ok: bool,
    ) {
        let stats = JobStats {
            compression_cache_bytes: Some(cache_bytes),
            compression_pages: Some(pages),
            compression_cache_misses: Some(misses),
            memory_iteration: Some(passes),
            ..JobStats::default()
        };
        assert_eq!(check(&LegReport { stats: Some(stats), ..LegReport::default() }).ok, ok);
    }
}
