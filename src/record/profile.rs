//! The profile of a run as the record has it: every field in the unit that its name ends with.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named::named;
use crate::inventory::catalogue::ListedGuest;
use crate::scenario::{AtTimeout, Bytes, Profile};

/// Makes the type of fields that may be absent: a reader of records of other versions finds some and lacks others. Behind each
/// is the field of a profile that it has.
macro_rules! recorded {
    ($($(#[$about:meta])* $field:ident: $type:ty = $of:ident,)*) => {
        /// The profile of a run with all overrides applied: its sizes, counts and times. A limit that is not there is absent.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(default)]
        pub struct RecordedProfile {
            $($(#[$about])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)*
        }

        impl From<&Profile> for RecordedProfile {
            fn from(profile: &Profile) -> RecordedProfile {
                // The list names every field, so that a new one makes the compiler ask here.
                let Profile { $($of,)* } = profile;
                RecordedProfile { $($field: $of.recorded(profile),)* }
            }
        }
    };
}

recorded! {
    /// The profile's name.
    name: String = name,
    /// Guests in the fleet.
    guests: u32 = guests,
    /// Other guests, which do not migrate but boot as load.
    load_guests: u32 = load_guests,
    /// Image and size of each guest of the fleet, in order; absent where all are alike.
    fleet: String = listed,
    /// Virtual CPUs of each guest that has no size of its own.
    vcpus: u32 = vcpus,
    /// Memory of each guest that has no size of its own.
    memory_bytes: u64 = memory,
    /// How often the whole fleet goes to the target and back.
    rounds: u32 = rounds,
    /// The longest duration of one pre-copy migration of one guest.
    precopy_timeout_s: f64 = precopy_timeout,
    /// The longest duration of one post-copy migration of one guest.
    postcopy_timeout_s: f64 = postcopy_timeout,
    /// The fate of a pre-copy migration that is not complete in time: `abort`, `suspend` or `suspend_allowed`.
    at_timeout: String = at_timeout,
    /// The longest time from a guest's start to its first answer over the network.
    boot_timeout_s: f64 = boot_timeout,
    /// Time between two network probes of a guest.
    probe_interval_s: f64 = probe_interval,
    /// The longest allowed gap in a guest's answers to the probes.
    max_gap_s: f64 = max_gap,
    /// The longest allowed silence of a guest's network after its arrival.
    max_recovery_s: f64 = max_recovery,
    /// The largest allowed slowdown of a guest after its arrival, as a multiple of before its first move.
    max_slowdown: u32 = max_slowdown,
    /// How long a scenario watches its guests after the last move.
    settle_s: f64 = settle,
    /// The largest allowed drift of a guest's realtime clock against its host's during a scenario.
    max_clock_drift_s: f64 = max_clock_drift,
    /// Workers of a CPU load in each guest.
    cpu_workers: u32 = cpu_workers,
    /// Workers of a memory load in each guest.
    memory_workers: u32 = memory_workers,
    /// Memory that each worker of a memory load keeps dirtying.
    memory_worker_bytes: u64 = memory_bytes,
    /// Memory that multivm's program in every guest keeps rewriting with a pattern.
    pattern_memory_bytes: u64 = pattern_memory,
    /// Time in which the program rewrites all of its pattern once in pre-copy scenarios.
    precopy_rewrite_s: f64 = precopy_rewrite,
    /// Time in which the program rewrites all of its pattern once in post-copy scenarios.
    postcopy_rewrite_s: f64 = postcopy_rewrite,
    /// QEMU's downtime-limit: the planned stop of a guest at the end of a pre-copy migration.
    downtime_limit_s: f64 = downtime_limit,
    /// Bandwidth limit of one migration.
    bandwidth_bytes_per_s: u64 = bandwidth,
    /// Bandwidth limit of a post-copy migration until it switches.
    first_pass_bandwidth_bytes_per_s: u64 = first_pass_bandwidth,
}

impl RecordedProfile {
    /// The values that are there, by name.
    pub fn named(&self) -> Vec<(String, Value)> {
        named(self)
    }

    /// The guests and the rounds that random choices are made for. Guests of a catalogue are said by the catalogue.
    pub fn drawn_for(&self) -> (Option<u32>, Option<u32>) {
        (self.guests.filter(|_| self.fleet.is_none()), self.rounds)
    }
}

/// A value of a profile, in the unit of the record.
trait InRecord {
    type Recorded;

    /// None for a value that the record does not have.
    fn recorded(&self, of: &Profile) -> Option<Self::Recorded>;
}

impl InRecord for u32 {
    type Recorded = u32;

    fn recorded(&self, _: &Profile) -> Option<u32> {
        Some(*self)
    }
}

impl InRecord for String {
    type Recorded = String;

    fn recorded(&self, _: &Profile) -> Option<String> {
        Some(self.clone())
    }
}

impl InRecord for Duration {
    type Recorded = f64;

    fn recorded(&self, _: &Profile) -> Option<f64> {
        Some(self.as_secs_f64())
    }
}

impl InRecord for Bytes {
    type Recorded = u64;

    fn recorded(&self, _: &Profile) -> Option<u64> {
        Some(self.0)
    }
}

impl InRecord for Option<Bytes> {
    type Recorded = u64;

    fn recorded(&self, _: &Profile) -> Option<u64> {
        self.map(|bytes| bytes.0)
    }
}

impl InRecord for AtTimeout {
    type Recorded = String;

    fn recorded(&self, _: &Profile) -> Option<String> {
        Some(self.name().to_owned())
    }
}

/// Guests that are listed have the profile's sizes where they have none of their own.
impl InRecord for Vec<ListedGuest> {
    type Recorded = String;

    fn recorded(&self, of: &Profile) -> Option<String> {
        (!self.is_empty()).then(|| {
            let members: Vec<String> = of.members().map(|member| member.to_string()).collect();
            members.join("; ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of an older or a newer version has fields that this one lacks, and lacks fields that this one has.
    #[test]
    fn a_profile_of_another_version_is_read() {
        let text = r#"{"guests":3,"memory_bytes":268435456,"max_gap_s":10.0,"of_the_moon":"full"}"#;
        let profile: RecordedProfile = serde_json::from_str(text).unwrap();
        assert_eq!(
            (profile.guests, profile.memory_bytes, profile.max_gap_s),
            (Some(3), Some(256 << 20), Some(10.0))
        );
        let named: Vec<String> =
            profile.named().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(named, ["guests 3", "max_gap_s 10.0", "memory_bytes 268435456"]);
    }
}
