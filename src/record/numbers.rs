//! The numbers of a scenario that deserve a line in a report.

use std::time::Duration;

use super::named::named_fields;

named_fields! {
    /// The numbers of a scenario, with units in their names. A number that was not measured is absent.
    ///
    /// A new number is a field here, set where it is measured: the record, JUnit and the HTML report show every field.
    pub struct Numbers {
        /// The number of completed legs, each of which is one migration of one guest. No other number counts a leg that failed,
        /// except `migrating_s`.
        pub migrations: u32,
        /// The mean of the completed legs' durations.
        pub mean_migration_s: f64,
        /// The longest of the completed legs' durations.
        pub longest_migration_s: f64,
        /// The volume of all completed legs together.
        pub transferred_mib: u64,
        /// The longest of the reported downtimes of all completed legs.
        pub longest_downtime_ms: u64,
        /// The median of the reported downtimes of all completed legs.
        pub median_downtime_ms: u64,
        /// The longest synced write to a guest's disk during any completed leg.
        pub longest_synced_write_ms: f64,
        /// The median of all completed legs' typical synced writes to a guest's disk.
        pub median_synced_write_ms: f64,
        /// Completed legs whose clocks disagree.
        pub disagreeing_downtimes: u32,
        /// The longest network gap of any guest.
        pub longest_gap_ms: u64,
        /// The longest downtime by libvirt's statistics.
        pub longest_qemu_downtime_ms: u64,
        /// Pages sent as XBZRLE differences.
        pub compressed_pages: u64,
        /// First looks at everything as it is before the first move.
        pub preparing_s: f64,
        /// Loads that are not at work yet when everything has had its first look.
        pub loading_s: f64,
        /// Guests that migrate while they boot: powering them off and on, and waiting until they are up.
        pub booting_s: f64,
        /// What legs take before and after libvirt's calls.
        pub ordering_s: f64,
        /// At least one of libvirt's calls for a leg was under way.
        pub migrating_s: f64,
        /// Looks into guests that have moved beside them, and are to move again.
        pub looking_s: f64,
        /// Asking where every guest is after a step, and the last looks at the end.
        pub proving_s: f64,
        /// Watching guests after their last move.
        pub settling_s: f64,
        /// Ending loads.
        pub unloading_s: f64,
        /// Checking images.
        pub imaging_s: f64,
        /// Writing down logs.
        pub collecting_s: f64,
        /// The longest single wait outside of libvirt's calls.
        pub longest_wait_s: f64,
        /// What the longest single wait outside of libvirt's calls was for.
        pub longest_wait_for: String,
        /// Before the scenario: making the fleet whole; for the first one, raising the lab.
        pub repairing_s: f64,
        /// The scenario's migrations alone, without proofs.
        pub floor_s: f64,
        /// How often the scenario was played, where that was more than once.
        pub played: u32,
    }
}

impl Numbers {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Numbers::default()
    }

    /// A time in the numbers' form: seconds to the millisecond.
    pub fn seconds(time: Duration) -> Option<f64> {
        Some((time.as_secs_f64() * 1e3).round() / 1e3)
    }

    /// The scenario's time by activity, in seconds.
    pub fn spent(&self) -> [(&'static str, Option<f64>); 12] {
        [
            ("preparing", self.preparing_s),
            ("starting loads", self.loading_s),
            ("booting guests that migrate", self.booting_s),
            ("ordering migrations", self.ordering_s),
            ("migrating", self.migrating_s),
            ("looking into guests that move again", self.looking_s),
            ("proving", self.proving_s),
            ("watching guests after the last move", self.settling_s),
            ("ending loads", self.unloading_s),
            ("checking images", self.imaging_s),
            ("collecting logs", self.collecting_s),
            ("making the fleet whole", self.repairing_s),
        ]
    }
}

/// The time of several scenarios by activity, in seconds, the largest first.
pub fn spent_in<'a>(scenarios: impl IntoIterator<Item = &'a Numbers>) -> Vec<(&'static str, f64)> {
    let mut sums = Numbers::default().spent().map(|(what, _)| (what, 0.0));
    for numbers in scenarios {
        for (sum, (_, seconds)) in sums.iter_mut().zip(numbers.spent()) {
            sum.1 += seconds.unwrap_or_default();
        }
    }
    sums.sort_by(|one, other| other.1.total_cmp(&one.1));
    sums.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_absent() {
        let numbers = Numbers { migrations: Some(4), proving_s: Some(0.335), ..Numbers::default() };
        assert_eq!(serde_json::to_string(&numbers).unwrap(), r#"{"migrations":4,"proving_s":0.335}"#);
        let named: Vec<String> =
            numbers.named().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(named, ["migrations 4", "proving_s 0.335"]);
    }
}
