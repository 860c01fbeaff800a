//! Profiles: the sizes, counts and times of a run. The same scenario is small in the lab and large on real hosts.

use std::time::Duration;

use super::field::{FIELDS, field};
use super::raw::ProfileTable;
use super::{AtTimeout, Bytes, Mode};
use crate::failure::input::{InputError, Source, did_you_mean};

/// The sizes, counts and times of a run.
///
/// `scenarios.toml` gives every field a value for each profile; [`Profile::override_from`] replaces some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name, as `[profile.NAME]`.
    pub name: String,
    /// Guests in the fleet, 1 to 200. The order `cross` needs 2; that is checked where the order is known.
    pub guests: u32,
    /// Other guests, which do not migrate but boot as load, 1 to 50.
    pub load_guests: u32,
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
    /// What happens to a pre-copy that is not complete in time.
    pub at_timeout: AtTimeout,
    /// How long a guest may take from its start to the first answer over the network.
    pub boot_timeout: Duration,
    /// Time between two network probes of a guest. A gap shorter than this is not seen.
    pub probe_interval: Duration,
    /// The longest gap in the answers to the probes that a guest may show.
    pub max_gap: Duration,
    /// The longest silence of a guest's network after its arrival that is no failure, from its start on the other host until its next
    /// move.
    pub max_recovery: Duration,
    /// How many times slower than before its first move a guest may be where it has arrived: its CPU, memory and disk.
    pub max_slowdown: u32,
    /// How long guests are watched after the last move of a scenario.
    pub settle: Duration,
    /// How far a guest's realtime clock may move against its host's during a scenario.
    pub max_clock_drift: Duration,
    /// Workers of a CPU load in each guest.
    pub cpu_workers: u32,
    /// Workers of a memory load in each guest.
    pub memory_workers: u32,
    /// Memory that each worker of a memory load keeps dirtying.
    pub memory_bytes: Bytes,
    /// Memory that our program in every guest keeps rewriting with a pattern and verifies page by page after every move.
    pub pattern_memory: Bytes,
    /// Time in which all of [`Profile::pattern_memory`] is rewritten once in pre-copy scenarios: slow enough to converge.
    pub precopy_rewrite: Duration,
    /// Time in which all of [`Profile::pattern_memory`] is rewritten once in post-copy scenarios: so fast that the first pass leaves a remainder for post-copy.
    pub postcopy_rewrite: Duration,
    /// How long QEMU may plan to stop a guest at the end of a pre-copy migration; it goes on copying until what remains
    /// can be sent in that time.
    pub downtime_limit: Duration,
    /// The most that one migration may send per second; `None` is no limit.
    pub bandwidth: Option<Bytes>,
    /// The most that a post-copy migration may send per second until it switches.
    pub first_pass_bandwidth: Bytes,
}

/// The most by which limits are stretched: whoever waits longer waits for what does not come, and fewer guests or more CPUs are
/// of more use.
const MOST_STRETCHED: f64 = 10.0;

/// What an idle guest takes of a CPU under TCG, with a program that looks at the clock.
const IDLE_SHARE: f64 = 0.05;

impl Profile {
    /// The profile for hosts with so many CPUs (in hundredths). A host with fewer CPUs than its guests have vCPUs gives
    /// each of them only a share of a CPU, and everything takes as many times longer: so every limit does, up to ten times.
    pub fn stretched(&self, cpu_percent: u32) -> Profile {
        let factor = self.stretch(f64::from(self.guests), cpu_percent);
        Profile {
            precopy_timeout: self.precopy_timeout.mul_f64(factor),
            postcopy_timeout: self.postcopy_timeout.mul_f64(factor),
            boot_timeout: self.boot_timeout.mul_f64(factor),
            max_gap: self.max_gap.mul_f64(factor),
            max_recovery: self.max_recovery.mul_f64(factor),
            max_slowdown: (f64::from(self.max_slowdown) * factor).ceil() as u32,
            ..self.clone()
        }
    }

    /// How many times longer everything takes when so many guests are busy together.
    fn stretch(&self, guests: f64, cpu_percent: u32) -> f64 {
        let vcpus = guests * f64::from(self.vcpus);
        (vcpus * 100.0 / f64::from(cpu_percent.max(1))).clamp(1.0, MOST_STRETCHED)
    }

    /// How many guests are started at the same time on a host with so many CPUs (in hundredths): two for each CPU, so that none is
    /// idle while a guest waits for its disk or for us.
    pub fn wave(&self, cpu_percent: u32) -> u32 {
        (cpu_percent.div_ceil(50) / self.vcpus.max(1)).max(2).min(self.guests.max(1))
    }

    /// How long a guest may take to answer when no more than a [`wave`](Profile::wave) of them boots and the rest is idle.
    pub fn start_limit(&self, cpu_percent: u32) -> Duration {
        let busy = f64::from(self.wave(cpu_percent)) + f64::from(self.guests) * IDLE_SHARE;
        self.boot_timeout.mul_f64(self.stretch(busy, cpu_percent))
    }

    /// Memory of all guests together, those that boot as load too, bytes.
    pub fn guests_memory(&self) -> u64 {
        u64::from(self.guests + self.load_guests).saturating_mul(self.memory.0)
    }

    /// How long one migration of one guest may take.
    pub fn migration_timeout(&self, mode: Mode) -> Duration {
        (mode.spec().timeout)(self)
    }

    /// The most that one migration of that mode may send per second until its switch to post-copy, if it has one.
    pub fn bandwidth_before_switch(&self, mode: Mode) -> Option<Bytes> {
        (mode.spec().bandwidth_before_switch)(self)
    }

    /// In what time our program in a guest rewrites all of its [`Profile::pattern_memory`] once.
    pub fn rewrite(&self, mode: Mode) -> Duration {
        (mode.spec().rewrite)(self)
    }

    /// The profile for a record: every field, in the unit that its name ends with.
    pub fn facts(&self) -> serde_json::Value {
        let fields = FIELDS.iter().map(|field| (field.fact.to_owned(), (field.get)(self)));
        std::iter::once(("name".to_owned(), self.name.as_str().into())).chain(fields).collect()
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
            field.read(source, value, &mut profile)?;
        }
        Ok(profile)
    }

    /// A profile of which no field is set yet, to be filled while a file is read.
    pub(super) fn blank(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            guests: 0,
            load_guests: 0,
            vcpus: 0,
            memory: Bytes(0),
            rounds: 0,
            precopy_timeout: Duration::ZERO,
            postcopy_timeout: Duration::ZERO,
            at_timeout: AtTimeout::Abort,
            boot_timeout: Duration::ZERO,
            probe_interval: Duration::ZERO,
            max_gap: Duration::ZERO,
            max_recovery: Duration::ZERO,
            max_slowdown: 0,
            settle: Duration::ZERO,
            max_clock_drift: Duration::ZERO,
            cpu_workers: 0,
            memory_workers: 0,
            memory_bytes: Bytes(0),
            pattern_memory: Bytes(0),
            precopy_rewrite: Duration::ZERO,
            postcopy_rewrite: Duration::ZERO,
            downtime_limit: Duration::ZERO,
            bandwidth: None,
            first_pass_bandwidth: Bytes(0),
        }
    }
}

fn keys() -> String {
    FIELDS.map(|field| format!("`{}`", field.key)).join(", ")
}
