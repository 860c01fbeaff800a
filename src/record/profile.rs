//! The profile of a run as the record has it: every field in the unit that its name ends with.

use std::time::Duration;

use super::named::named_fields;
use crate::inventory::catalogue::ListedGuest;
use crate::scenario::{AtTimeout, Bytes, Profile};

/// Makes the type and fills it. Behind each field is the field of a profile that it has.
macro_rules! recorded {
    ($($(#[$about:meta])* $field:ident: $type:ty = $of:ident,)*) => {
        named_fields! {
            /// The profile of a run with all overrides applied: its sizes, counts and times. A limit that is not there is absent.
            pub struct RecordedProfile { $($(#[$about])* pub $field: $type,)* }
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

macro_rules! in_record {
    ($($of:ty => $recorded:ty: $value:expr;)*) => {
        $(impl InRecord for $of {
            type Recorded = $recorded;

            fn recorded(&self, of: &Profile) -> Option<$recorded> {
                let value: fn(&$of, &Profile) -> Option<$recorded> = $value;
                value(self, of)
            }
        })*
    };
}

in_record! {
    u32 => u32: |number, _| Some(*number);
    String => String: |text, _| Some(text.clone());
    Duration => f64: |time, _| Some(time.as_secs_f64());
    Bytes => u64: |bytes, _| Some(bytes.0);
    Option<Bytes> => u64: |bytes, _| bytes.map(|bytes| bytes.0);
    AtTimeout => String: |fate, _| Some(fate.name().to_owned());
    // Guests that are listed have the profile's sizes where they have none of their own.
    Vec<ListedGuest> => String: |listed, of| {
        let members = || of.members().map(|member| member.to_string()).collect::<Vec<_>>().join("; ");
        (!listed.is_empty()).then(members)
    };
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
