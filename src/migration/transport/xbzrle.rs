//! XBZRLE: pages that are sent again are sent as differences to what a cache on the source remembers of them.

use super::{Promise, Requirement, Sign, Spec};
use crate::libvirt::Version;
use crate::migration::LegReport;

pub static SPEC: Spec = Spec {
    asks: |migration| migration.compressed = true,
    // VIR_MIGRATE_PARAM_COMPRESSION; QEMU's capability is older.
    needs: |_| Requirement { libvirt: Version::new(1, 3, 4), ..Requirement::NONE },
    promise: Some(Promise {
        text: "XBZRLE at work: a cache, in which pages are looked up that are sent again",
        kept,
    }),
};

/// There was a cache, and pages that were sent again were looked up in it.
fn kept(report: &LegReport) -> Sign {
    let stats = report.stats.clone().unwrap_or_default();
    let number = |value: Option<u64>| value.unwrap_or_default();
    let cache = number(stats.compression_cache_bytes);
    let (pages, misses) = (number(stats.compression_pages), number(stats.compression_cache_misses));
    // In the first pass every page is sent for the first time, and there is nothing to look up.
    let again = number(stats.memory_iteration) > 1;
    Sign {
        ok: cache > 0 && (pages + misses > 0 || !again),
        seen: format!(
            "a cache of {} MiB, {pages} pages sent compressed in {} bytes, {misses} cache misses, {} overflows",
            cache >> 20,
            number(stats.compression_bytes),
            number(stats.compression_overflow),
        ),
    }
}
