//! Profiles: the sizes, counts and times of a run. The same scenario is small in the lab and large on real hosts.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::axis::Mode;
use super::bytes::Bytes;
use super::error::{InputError, Source, did_you_mean};
use super::raw::ProfileTable;

/// The sizes, counts and times of a run.
///
/// `scenarios.toml` gives every field a value for each profile; [`Profile::override_from`] replaces some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name, as `[profile.NAME]`.
    pub name: String,
    /// Guests in the fleet, 1 to 200. The order `cross` needs 2; that is checked where the order is known.
    pub guests: u32,
    /// Virtual CPUs of each guest.
    pub vcpus: u32,
    /// Memory of each guest.
    pub memory: Bytes,
    /// How often the whole fleet goes there and back.
    pub rounds: u32,
    /// How long one pre-copy migration of one guest may take. This and the other limits are for a fleet with a CPU
    /// for every vCPU; see [`Profile::stretched`].
    pub precopy_timeout: Duration,
    /// How long one post-copy migration of one guest may take.
    pub postcopy_timeout: Duration,
    /// How long a guest may take from its start to the first answer over the network.
    pub boot_timeout: Duration,
    /// Time between two network probes of a guest. A gap shorter than this is not seen.
    pub probe_interval: Duration,
    /// The longest gap in the answers to the probes that a guest may show.
    pub max_gap: Duration,
    /// Workers of a CPU load in each guest.
    pub cpu_workers: u32,
    /// Workers of a memory load in each guest.
    pub memory_workers: u32,
    /// Memory that each worker of a memory load keeps dirtying.
    pub memory_bytes: Bytes,
    /// Memory that every guest keeps dirtying in post-copy scenarios beside its load, so that something is left for
    /// post-copy after the first pass.
    pub dirty_floor: Bytes,
    /// Bandwidth of a post-copy migration until it switches, per second.
    pub first_pass_bandwidth: Bytes,
}

/// What a field's value is in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A bare integer.
    Number,
    /// A quoted string.
    Text,
}

/// One field of a profile, whether its value comes from the file or from the environment.
struct Field {
    key: &'static str,
    form: Form,
    /// What a value must be, for messages.
    allowed: &'static str,
    /// Puts the value that the text means in its place; `None` if it means none.
    set: fn(&mut Profile, &str) -> Option<()>,
}

const DURATION: &str = "a duration above zero such as \"120s\", \"20ms\" or \"1m 30s\" (units ms, s, m, h)";
const MIBS: &str = "a size of whole MiB above zero such as \"64MiB\" (units KiB, MiB, GiB)";
const SIZE: &str = "a size above zero such as \"256MiB\" (units KiB, MiB, GiB)";

/// Every field but the name. The one list from which files are read, variables are named and messages are made.
const FIELDS: [Field; 14] = [
    Field {
        key: "guests",
        form: Form::Number,
        allowed: "a whole number from 1 to 200",
        set: |profile, text| put(&mut profile.guests, number(text, 1..=200)),
    },
    Field {
        key: "vcpus",
        form: Form::Number,
        allowed: "a whole number from 1 to 256",
        set: |profile, text| put(&mut profile.vcpus, number(text, 1..=256)),
    },
    Field {
        key: "memory",
        form: Form::Text,
        allowed: SIZE,
        set: |profile, text| put(&mut profile.memory, size(text)),
    },
    Field {
        key: "rounds",
        form: Form::Number,
        allowed: "a whole number from 1 to 1000000",
        set: |profile, text| put(&mut profile.rounds, number(text, 1..=1_000_000)),
    },
    Field {
        key: "precopy_timeout",
        form: Form::Text,
        allowed: DURATION,
        set: |profile, text| put(&mut profile.precopy_timeout, duration(text)),
    },
    Field {
        key: "postcopy_timeout",
        form: Form::Text,
        allowed: DURATION,
        set: |profile, text| put(&mut profile.postcopy_timeout, duration(text)),
    },
    Field {
        key: "boot_timeout",
        form: Form::Text,
        allowed: DURATION,
        set: |profile, text| put(&mut profile.boot_timeout, duration(text)),
    },
    Field {
        key: "probe_interval",
        form: Form::Text,
        allowed: DURATION,
        set: |profile, text| put(&mut profile.probe_interval, duration(text)),
    },
    Field {
        key: "max_gap",
        form: Form::Text,
        allowed: DURATION,
        set: |profile, text| put(&mut profile.max_gap, duration(text)),
    },
    Field {
        key: "cpu_workers",
        form: Form::Number,
        allowed: "a whole number from 1 to 1024",
        set: |profile, text| put(&mut profile.cpu_workers, number(text, 1..=1024)),
    },
    Field {
        key: "memory_workers",
        form: Form::Number,
        allowed: "a whole number from 1 to 1024",
        set: |profile, text| put(&mut profile.memory_workers, number(text, 1..=1024)),
    },
    Field {
        key: "memory_bytes",
        form: Form::Text,
        allowed: SIZE,
        set: |profile, text| put(&mut profile.memory_bytes, size(text)),
    },
    Field {
        key: "dirty_floor",
        form: Form::Text,
        allowed: MIBS,
        set: |profile, text| put(&mut profile.dirty_floor, mibs(text)),
    },
    Field {
        key: "first_pass_bandwidth",
        form: Form::Text,
        allowed: MIBS,
        set: |profile, text| put(&mut profile.first_pass_bandwidth, mibs(text)),
    },
];

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

fn number(text: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|n| allowed.contains(n))
}

fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}

/// What libvirt takes a bandwidth in.
fn mibs(text: &str) -> Option<Bytes> {
    size(text).filter(|bytes| bytes.0 % (1 << 20) == 0)
}

fn size(text: &str) -> Option<Bytes> {
    text.parse().ok().filter(|bytes| *bytes > Bytes(0))
}

impl Field {
    /// The environment variable that overrides the field.
    fn variable(&self) -> String {
        format!("MULTIVM_{}", self.key.to_uppercase())
    }

    /// The text of a TOML value of the right form.
    fn text(&self, value: &toml::Value) -> Option<String> {
        match (self.form, value) {
            (Form::Number, toml::Value::Integer(number)) => Some(number.to_string()),
            (Form::Text, toml::Value::String(text)) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Profile {
    /// The profile for hosts with so many CPUs (in hundredths). A host with fewer CPUs than its guests have vCPUs gives
    /// each of them only a share of a CPU, and everything takes as many times longer: so every limit does.
    pub fn stretched(&self, cpu_percent: u32) -> Profile {
        let vcpus = f64::from(self.guests) * f64::from(self.vcpus);
        let factor = (vcpus * 100.0 / f64::from(cpu_percent.max(1))).max(1.0);
        Profile {
            precopy_timeout: self.precopy_timeout.mul_f64(factor),
            postcopy_timeout: self.postcopy_timeout.mul_f64(factor),
            boot_timeout: self.boot_timeout.mul_f64(factor),
            max_gap: self.max_gap.mul_f64(factor),
            ..self.clone()
        }
    }

    /// How long one migration of one guest may take.
    pub fn migration_timeout(&self, mode: Mode) -> Duration {
        match mode {
            Mode::Precopy => self.precopy_timeout,
            Mode::Postcopy => self.postcopy_timeout,
        }
    }

    /// Every environment variable that [`Profile::override_from`] asks for, with what its value must be.
    pub fn variables() -> impl Iterator<Item = (String, &'static str)> {
        FIELDS.iter().map(|field| (field.variable(), field.allowed))
    }

    /// The profile with every field replaced for which `variable` has a value.
    ///
    /// Each field has a variable of its own, `MULTIVM_` and its name in upper case: `MULTIVM_GUESTS=10`,
    /// `MULTIVM_PROBE_INTERVAL=10ms`. The text is what the file has, without quotes. For the process' environment pass
    /// `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    ///
    /// A value that the field cannot have; the message names the variable, the value and what is allowed.
    pub fn override_from(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, InputError> {
        for field in &FIELDS {
            let name = field.variable();
            let Some(value) = variable(&name) else {
                continue;
            };
            if (field.set)(&mut self, &value).is_none() {
                // Quotes belong to TOML. A user who copies them into the variable must not be told to do it again.
                let allowed = field.allowed.replace('"', "`");
                return Err(InputError::new(
                    &format!("the environment variable {name} cannot be `{value}`"),
                    &[format!("allowed: {allowed}")],
                ));
            }
        }
        Ok(self)
    }

    /// The profile that a table declares. `name` stands at `at`.
    pub(super) fn from_table(
        source: Source<'_>,
        name: &str,
        at: std::ops::Range<usize>,
        table: &ProfileTable,
    ) -> Result<Self, InputError> {
        if let Some(unknown) = table.keys().find(|key| field(key.get_ref()).is_none()) {
            let mut help = vec![format!("allowed: {}", keys())];
            help.extend(did_you_mean(unknown.get_ref(), FIELDS.map(|f| f.key)));
            return Err(source.error(
                unknown.span(),
                &format!("unknown key `{unknown}` in the profile `{name}`"),
                "not a field of a profile",
                &help,
            ));
        }

        let mut profile = Self::blank(name);
        for field in &FIELDS {
            let value = table.get(field.key).ok_or_else(|| {
                source.error(
                    at.clone(),
                    &format!("the profile `{name}` has no `{}`", field.key),
                    "missing in this profile",
                    &[format!("allowed: {}", field.allowed)],
                )
            })?;
            field.text(value.get_ref()).and_then(|text| (field.set)(&mut profile, &text)).ok_or_else(
                || {
                    source.error(
                        value.span(),
                        &format!("`{}` cannot be {}", field.key, value.get_ref()),
                        "",
                        &[format!("allowed: {}", field.allowed)],
                    )
                },
            )?;
        }
        Ok(profile)
    }

    /// A profile of which no field is set yet; it never leaves [`Profile::from_table`] in this state.
    fn blank(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            guests: 0,
            vcpus: 0,
            memory: Bytes(0),
            rounds: 0,
            precopy_timeout: Duration::ZERO,
            postcopy_timeout: Duration::ZERO,
            boot_timeout: Duration::ZERO,
            probe_interval: Duration::ZERO,
            max_gap: Duration::ZERO,
            cpu_workers: 0,
            memory_workers: 0,
            memory_bytes: Bytes(0),
            dirty_floor: Bytes(0),
            first_pass_bandwidth: Bytes(0),
        }
    }
}

fn field(key: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.key == key)
}

fn keys() -> String {
    FIELDS.map(|field| format!("`{}`", field.key)).join(", ")
}
