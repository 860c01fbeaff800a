//! The profile of a run as the record has it: every field in the unit that its name ends with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named::named;
use crate::scenario::Profile;

/// Makes the type of fields that may be absent: a reader of records of other versions finds some and lacks others.
macro_rules! recorded {
    ($($(#[$about:meta])* $field:ident: $type:ty,)*) => {
        /// The profile of a run with all overrides applied: its sizes, counts and times. A limit that is not there is absent.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(default)]
        pub struct RecordedProfile {
            $($(#[$about])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)*
        }
    };
}

recorded! {
    /// The profile's name.
    name: String,
    /// Guests in the fleet.
    guests: u32,
    /// Other guests, which do not migrate but boot as load.
    load_guests: u32,
    /// Image and size of each guest of the fleet, in order; absent where all are alike.
    fleet: String,
    /// Virtual CPUs of each guest that has no size of its own.
    vcpus: u32,
    /// Memory of each guest that has no size of its own.
    memory_bytes: u64,
    /// How often the whole fleet goes to the target and back.
    rounds: u32,
    /// The longest duration of one pre-copy migration of one guest.
    precopy_timeout_s: f64,
    /// The longest duration of one post-copy migration of one guest.
    postcopy_timeout_s: f64,
    /// The fate of a pre-copy migration that is not complete in time: `abort`, `suspend` or `suspend_allowed`.
    at_timeout: String,
    /// The longest time from a guest's start to its first answer over the network.
    boot_timeout_s: f64,
    /// Time between two network probes of a guest.
    probe_interval_s: f64,
    /// The longest allowed gap in a guest's answers to the probes.
    max_gap_s: f64,
    /// The longest allowed silence of a guest's network after its arrival.
    max_recovery_s: f64,
    /// The largest allowed slowdown of a guest after its arrival, as a multiple of before its first move.
    max_slowdown: u32,
    /// How long a scenario watches its guests after the last move.
    settle_s: f64,
    /// The largest allowed drift of a guest's realtime clock against its host's during a scenario.
    max_clock_drift_s: f64,
    /// Workers of a CPU load in each guest.
    cpu_workers: u32,
    /// Workers of a memory load in each guest.
    memory_workers: u32,
    /// Memory that each worker of a memory load keeps dirtying.
    memory_worker_bytes: u64,
    /// Memory that multivm's program in every guest keeps rewriting with a pattern.
    pattern_memory_bytes: u64,
    /// Time in which the program rewrites all of its pattern once in pre-copy scenarios.
    precopy_rewrite_s: f64,
    /// Time in which the program rewrites all of its pattern once in post-copy scenarios.
    postcopy_rewrite_s: f64,
    /// QEMU's downtime-limit: the planned stop of a guest at the end of a pre-copy migration.
    downtime_limit_s: f64,
    /// Bandwidth limit of one migration.
    bandwidth_bytes_per_s: u64,
    /// Bandwidth limit of a post-copy migration until it switches.
    first_pass_bandwidth_bytes_per_s: u64,
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

impl From<&Profile> for RecordedProfile {
    fn from(profile: &Profile) -> RecordedProfile {
        // The list names every field, so that a new one makes the compiler ask here.
        let Profile {
            name,
            guests,
            listed,
            load_guests,
            vcpus,
            memory,
            rounds,
            precopy_timeout,
            postcopy_timeout,
            at_timeout,
            boot_timeout,
            probe_interval,
            max_gap,
            max_recovery,
            max_slowdown,
            settle,
            max_clock_drift,
            cpu_workers,
            memory_workers,
            memory_bytes,
            pattern_memory,
            precopy_rewrite,
            postcopy_rewrite,
            downtime_limit,
            bandwidth,
            first_pass_bandwidth,
        } = profile;
        RecordedProfile {
            name: Some(name.clone()),
            guests: Some(*guests),
            fleet: (!listed.is_empty()).then(|| {
                let members: Vec<String> = profile.members().map(|member| member.to_string()).collect();
                members.join("; ")
            }),
            load_guests: Some(*load_guests),
            vcpus: Some(*vcpus),
            memory_bytes: Some(memory.0),
            rounds: Some(*rounds),
            precopy_timeout_s: Some(precopy_timeout.as_secs_f64()),
            postcopy_timeout_s: Some(postcopy_timeout.as_secs_f64()),
            at_timeout: Some(at_timeout.name().to_owned()),
            boot_timeout_s: Some(boot_timeout.as_secs_f64()),
            probe_interval_s: Some(probe_interval.as_secs_f64()),
            max_gap_s: Some(max_gap.as_secs_f64()),
            max_recovery_s: Some(max_recovery.as_secs_f64()),
            max_slowdown: Some(*max_slowdown),
            settle_s: Some(settle.as_secs_f64()),
            max_clock_drift_s: Some(max_clock_drift.as_secs_f64()),
            cpu_workers: Some(*cpu_workers),
            memory_workers: Some(*memory_workers),
            memory_worker_bytes: Some(memory_bytes.0),
            pattern_memory_bytes: Some(pattern_memory.0),
            precopy_rewrite_s: Some(precopy_rewrite.as_secs_f64()),
            postcopy_rewrite_s: Some(postcopy_rewrite.as_secs_f64()),
            downtime_limit_s: Some(downtime_limit.as_secs_f64()),
            bandwidth_bytes_per_s: bandwidth.map(|bandwidth| bandwidth.0),
            first_pass_bandwidth_bytes_per_s: Some(first_pass_bandwidth.0),
        }
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
