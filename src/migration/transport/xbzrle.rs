//! XBZRLE: a page that is sent again goes as its difference to the copy in the source's cache.

use super::Requirement;
use super::demands::{Kept, Promise, Sign, TransportDemands};
use crate::libvirt::Version;
use crate::migration::LegReport;

pub static DEMANDS: TransportDemands = TransportDemands {
    asks: |migration| migration.compressed = true,
    // VIR_MIGRATE_PARAM_COMPRESSION sets the age; QEMU's capability is older.
    needs: |_| Requirement { libvirt: Version::new(1, 3, 4), ..Requirement::NONE },
    promise: Some(Promise {
        text: "XBZRLE at work: a cache, in which pages are looked up that are sent again",
        kept,
    }),
};

/// Whether there was a cache, and QEMU looked up pages in it that it sent again.
fn kept(report: &LegReport) -> Sign {
    let stats = report.stats.clone().unwrap_or_default();
    let number = |value: Option<u64>| value.unwrap_or_default();
    let cache = number(stats.compression_cache_bytes);
    let (pages, misses) = (number(stats.compression_pages), number(stats.compression_cache_misses));
    // The first pass sends every page for the first time and looks nothing up. A switch to post-copy cuts its pass off, perhaps
    // before that pass sent a page, and QEMU counts the last look at the dirty pages, which belongs to the switch, as one more
    // (`migration_bitmap_sync` in `ram_postcopy_send_discard_bitmap`); after it QEMU does not use the cache.
    let cut_off = if report.switchover.is_some() { 2 } else { 0 };
    let again = number(stats.memory_iteration) > 1 + cut_off;
    Sign {
        kept: match (cache > 0, pages + misses > 0) {
            (true, true) => Kept::Yes,
            (true, false) if !again => Kept::Open,
            _ => Kept::No,
        },
        seen: format!(
            "a cache of {} MiB, {pages} pages sent compressed in {} bytes, {misses} cache misses, {} overflows",
            cache >> 20,
            number(stats.compression_bytes),
            number(stats.compression_overflow),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::libvirt::JobStats;

    #[rstest]
    #[case::looked_up(3, 64, 5, false, Kept::Yes)]
    #[case::one_pass(1, 64, 0, false, Kept::Open)]
    #[case::nothing_looked_up(2, 64, 0, false, Kept::No)]
    #[case::switched_in_the_first_pass(2, 64, 0, true, Kept::Open)]
    #[case::switched_as_the_second_pass_began(3, 64, 0, true, Kept::Open)]
    #[case::looked_up_before_the_switch(3, 64, 5, true, Kept::Yes)]
    #[case::switched_after_a_whole_second_pass(4, 64, 0, true, Kept::No)]
    #[case::no_cache(1, 0, 0, false, Kept::No)]
    fn pages_that_are_sent_again_are_looked_up(
        #[case] passes: u64,
        #[case] cache_bytes: u64,
        #[case] misses: u64,
        #[case] switched: bool,
        #[case] expected: Kept,
    ) {
        let stats = JobStats {
            memory_iteration: Some(passes),
            compression_cache_bytes: Some(cache_bytes),
            compression_cache_misses: Some(misses),
            ..JobStats::default()
        };
        let switchover = switched.then_some(Duration::from_secs(1));
        let report = LegReport { stats: Some(stats), switchover, ..LegReport::default() };
        assert_eq!(kept(&report).kept, expected);
    }
}
