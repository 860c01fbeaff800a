//! The progress of a migration in words.

use crate::libvirt::JobStats;

/// A job's progress by its statistics: `12 MiB of memory remaining, pass 3, dirty rate 400 pages/s`. A question mark stands
/// for a number that libvirt did not give.
pub fn progress(stats: &JobStats) -> String {
    let number = |number: Option<u64>| number.map_or("?".into(), |number| number.to_string());
    format!(
        "{} MiB of memory remaining, pass {}, dirty rate {} pages/s",
        number(stats.memory_remaining_bytes.map(|bytes| bytes >> 20)),
        number(stats.memory_iteration),
        number(stats.memory_dirty_rate_pages_per_s),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libvirt_did_not_give_is_a_question_mark() {
        let stats = JobStats { memory_remaining_bytes: Some(3 << 20), ..JobStats::default() };
        assert_eq!(progress(&stats), "3 MiB of memory remaining, pass ?, dirty rate ? pages/s");
    }
}
