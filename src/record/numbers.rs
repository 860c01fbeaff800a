//! The numbers of a scenario that deserve a line in a report.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named::named;

/// The numbers of a scenario, with units in their names. A number that was not measured is absent.
///
/// A new number is a field here, set where it is measured: the record, JUnit and the HTML report show every field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Numbers {
    /// The number of completed legs, each of which is one migration of one guest. No other number counts a leg that failed,
    /// except `migrating_s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<u32>,
    /// The mean of the completed legs' durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_migration_s: Option<f64>,
    /// The longest of the completed legs' durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_migration_s: Option<f64>,
    /// The volume of all completed legs together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transferred_mib: Option<u64>,
    /// The longest of the reported downtimes of all completed legs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_downtime_ms: Option<u64>,
    /// The median of the reported downtimes of all completed legs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_downtime_ms: Option<u64>,
    /// The longest synced write to a guest's disk during any completed leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_synced_write_ms: Option<f64>,
    /// The median of all completed legs' typical synced writes to a guest's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_synced_write_ms: Option<f64>,
    /// Completed legs whose clocks disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagreeing_downtimes: Option<u32>,
    /// The longest network gap of any guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_gap_ms: Option<u64>,
    /// The longest downtime by libvirt's statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_qemu_downtime_ms: Option<u64>,
    /// Pages sent as XBZRLE differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressed_pages: Option<u64>,
    /// First looks at everything as it is before the first move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preparing_s: Option<f64>,
    /// Loads that are not at work yet when everything has had its first look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loading_s: Option<f64>,
    /// Guests that migrate while they boot: powering them off and on, and waiting until they are up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booting_s: Option<f64>,
    /// What legs take before and after libvirt's calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordering_s: Option<f64>,
    /// At least one of libvirt's calls for a leg was under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrating_s: Option<f64>,
    /// Looks into guests that have moved beside them, and are to move again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looking_s: Option<f64>,
    /// Asking where every guest is after a step, and the last looks at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proving_s: Option<f64>,
    /// Watching guests after their last move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settling_s: Option<f64>,
    /// Ending loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unloading_s: Option<f64>,
    /// Checking images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imaging_s: Option<f64>,
    /// Writing down logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collecting_s: Option<f64>,
    /// The longest single wait outside of libvirt's calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_wait_s: Option<f64>,
    /// What the longest single wait outside of libvirt's calls was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_wait_for: Option<String>,
    /// Before the scenario: making the fleet whole; for the first one, raising the lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repairing_s: Option<f64>,
    /// The scenario's migrations alone, without proofs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_s: Option<f64>,
    /// How often the scenario was played, where that was more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played: Option<u32>,
}

impl Numbers {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Numbers::default()
    }

    /// All numbers that exist, by name.
    pub fn named(&self) -> Vec<(String, Value)> {
        named(self)
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
