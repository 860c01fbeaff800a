//! Profiles: the sizes, counts and times of a run. The same scenario is small in the lab and large on real hosts.

use std::time::Duration;

use super::{AtTimeout, Bytes};
use crate::inventory::catalogue::ListedGuest;

/// The sizes, counts and times of a run.
///
/// `scenarios.toml` gives every field a value for each profile; [`Profile::override_from`] replaces some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The profile's name, as in `[profile.NAME]`.
    pub name: String,
    /// Guests in the fleet, 1 to 200. The order `cross` needs 2, which the code that knows the order checks.
    pub guests: u32,
    /// The guests of the fleet one by one, where a catalogue lists them; otherwise none is listed, and all are alike.
    pub listed: Vec<ListedGuest>,
    /// Other guests, which do not migrate but boot as load, 1 to 50.
    pub load_guests: u32,
    /// Virtual CPUs of each guest that no catalogue gives others.
    pub vcpus: u32,
    /// Memory of each guest that no catalogue gives another.
    pub memory: Bytes,
    /// How often the whole fleet goes to the target and back.
    pub rounds: u32,
    /// The longest duration of one pre-copy migration of one guest. This and the other limits are for a fleet with a CPU
    /// for every vCPU; see [`Profile::stretched`].
    pub precopy_timeout: Duration,
    /// The longest duration of one post-copy migration of one guest.
    pub postcopy_timeout: Duration,
    /// The fate of a pre-copy migration that is not complete in time.
    pub at_timeout: AtTimeout,
    /// The longest time from a guest's start to its first answer over the network.
    pub boot_timeout: Duration,
    /// Time between two network probes of a guest. A shorter gap stays unseen.
    pub probe_interval: Duration,
    /// The longest allowed gap in a guest's answers to the probes.
    pub max_gap: Duration,
    /// The longest allowed silence of a guest's network after its arrival, from its start on the other host until its next
    /// move.
    pub max_recovery: Duration,
    /// The largest allowed slowdown of a guest's CPU, memory and disk after its arrival, as a multiple of before its first
    /// move.
    pub max_slowdown: u32,
    /// How long a scenario watches its guests after the last move.
    pub settle: Duration,
    /// The largest allowed drift of a guest's realtime clock against its host's during a scenario.
    pub max_clock_drift: Duration,
    /// Workers of a CPU load in each guest.
    pub cpu_workers: u32,
    /// Workers of a memory load in each guest.
    pub memory_workers: u32,
    /// Memory that each worker of a memory load keeps dirtying.
    pub memory_bytes: Bytes,
    /// Memory that our program in every guest keeps rewriting with a pattern and verifies page by page after every move.
    pub pattern_memory: Bytes,
    /// Time in which our program rewrites all of [`Profile::pattern_memory`] once in pre-copy scenarios: slow enough to
    /// converge.
    pub precopy_rewrite: Duration,
    /// Time in which our program rewrites all of [`Profile::pattern_memory`] once in post-copy scenarios: so fast that the
    /// first pass leaves a remainder for post-copy.
    pub postcopy_rewrite: Duration,
    /// QEMU's downtime-limit: the planned stop of a guest at the end of a pre-copy migration. QEMU goes on copying until it
    /// can send the rest in that time.
    pub downtime_limit: Duration,
    /// Bandwidth limit of one migration, in bytes per second; `None` is no limit.
    pub bandwidth: Option<Bytes>,
    /// Bandwidth limit of a post-copy migration until it switches, in bytes per second.
    pub first_pass_bandwidth: Bytes,
}

/// How long a host may take to answer, whatever its guests may.
const HOST_ANSWER: Duration = Duration::from_secs(10);

/// The largest factor that stretches limits: a longer wait would be for something that never comes, and fewer guests or
/// more CPUs help more.
const MOST_STRETCHED: f64 = 10.0;

/// An idle guest's share of a CPU under TCG, with a program that looks at the clock.
const IDLE_SHARE: f64 = 0.05;

impl Profile {
    /// The profile for hosts with a number of CPUs (in hundredths). A host with fewer CPUs than its guests have vCPUs gives
    /// each of them only a share of a CPU, and everything takes as many times longer. So this stretches every limit by that
    /// factor, at most tenfold.
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

    /// How many times longer everything takes when a number of guests is busy together.
    fn stretch(&self, guests: f64, cpu_percent: u32) -> f64 {
        let all: u32 = self.members().map(|member| member.vcpus).sum();
        let vcpus = guests * f64::from(all) / f64::from(self.guests.max(1));
        (vcpus * 100.0 / f64::from(cpu_percent.max(1))).clamp(1.0, MOST_STRETCHED)
    }

    /// How many guests start at the same time on a host with a number of CPUs (in hundredths): as many as make two vCPUs
    /// for each CPU, so that no CPU is idle while a guest waits for its disk or for us, and at least two.
    pub fn wave(&self, cpu_percent: u32) -> u32 {
        let largest = self.members().map(|member| member.vcpus).max().unwrap_or(1);
        (cpu_percent.div_ceil(50) / largest).max(2).min(self.guests.max(1))
    }

    /// The longest time to a guest's answer when only a [`wave`](Profile::wave) of guests boots and the rest is idle.
    pub fn start_limit(&self, cpu_percent: u32) -> Duration {
        let busy = f64::from(self.wave(cpu_percent)) + f64::from(self.guests) * IDLE_SHARE;
        self.boot_timeout.mul_f64(self.stretch(busy, cpu_percent))
    }

    /// Memory of all guests together, including those that boot as load, in bytes.
    pub fn guests_memory(&self) -> u64 {
        let fleet = self.members().fold(0u64, |sum, member| sum.saturating_add(member.memory.0));
        fleet.saturating_add(u64::from(self.load_guests).saturating_mul(self.memory.0))
    }

    /// How long an answer of a guest may take: the longest allowed silence of its network, and a moment for the answer.
    pub fn answer_limit(&self) -> Duration {
        self.max_gap + Duration::from_secs(10)
    }

    /// How long a watch of hosts may see nothing, and still prove something: as long as a guest may be silent. A profile for
    /// guests that are hardly ever silent makes no host answer faster.
    pub fn blind_limit(&self) -> Duration {
        self.max_gap.max(HOST_ANSWER)
    }

    /// A profile without any field set, which the reader of a file fills.
    pub(super) fn blank(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            guests: 0,
            listed: Vec::new(),
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
