//! Time in which this process did not run: somebody stopped it (SIGSTOP, a debugger, a freezer), or nobody gave it a CPU.
//!
//! What it did not see then is nobody's fault, and what it waited for had no chance to come in its sight. So whoever measures a gap
//! leaves that time out, and whoever has a deadline waits longer by it.
//!
//! Every look is a beat. Between two beats that are further apart than [`LEAST`] the process was halted, if it used next to no CPU
//! time either: a thread that beats late in a process that works was only late itself. Without [`watch`] nobody beats, and no time
//! is left out.
//!
//! A machine that is suspended, as a laptop with its lid closed, halts its processes, too. No [`Instant`] counts that time, so that it
//! is in no gap and before no deadline; [`suspended`] has it for whoever compares an [`Instant`] with a clock that goes on.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use super::parallel::locked;
use super::watch::Watch;
use crate::failure::Result;

/// A shorter time without a beat only shows a busy machine.
const LEAST: Duration = Duration::from_secs(1);

/// The time between two beats of the watch.
const BEAT: Duration = Duration::from_millis(100);

/// CPU time of the whole process, as a share of the time between two beats, below which it did not run: one in so many.
const IDLE: u32 = 10;

/// A time in which this process was halted. One in which its machine was suspended takes no time by any [`Instant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halt {
    pub from: Instant,
    pub length: Duration,
}

impl Halt {
    /// The part of it between two moments.
    pub fn within(&self, begin: Instant, end: Instant) -> Duration {
        (self.from + self.length).min(end).saturating_duration_since(self.from.max(begin))
    }
}

/// The beats so far.
#[derive(Debug)]
struct Beats {
    last: Instant,
    cpu: Duration,
    halts: Vec<Halt>,
}

impl Beats {
    fn beat(&mut self, now: Instant, cpu: impl FnOnce() -> Duration) {
        let apart = now.saturating_duration_since(self.last);
        if apart >= LEAST / 2 {
            let cpu = cpu();
            if apart >= LEAST && cpu.saturating_sub(self.cpu) * IDLE < apart {
                self.halts.push(Halt { from: self.last, length: apart });
            }
            self.cpu = cpu;
        }
        self.last = self.last.max(now);
    }
}

/// How long the machine was suspended until the last look.
#[derive(Debug)]
struct Sleep(Duration);

impl Sleep {
    /// A suspension since the last look, in words of a halt. The two clocks are not read at one moment: less is none.
    fn look(&mut self, now: Instant, suspended: Duration) -> Option<Halt> {
        let length = suspended.saturating_sub(std::mem::replace(&mut self.0, suspended));
        (length >= LEAST).then_some(Halt { from: now, length })
    }
}

static PULSE: OnceLock<Mutex<Beats>> = OnceLock::new();

/// Beats as long as the watch lives; `told` hears of every halt soon after it.
pub fn watch(told: impl Fn(Halt) + Send + 'static) -> Result<Watch<()>> {
    let pulse =
        PULSE.get_or_init(|| Mutex::new(Beats { last: Instant::now(), cpu: cpu_time(), halts: Vec::new() }));
    let mut heard = locked(pulse).halts.len();
    let mut sleep = Sleep(suspended());
    Watch::start("halt", move |stop| {
        while !stop.is_set() {
            let news = {
                let mut pulse = locked(pulse);
                pulse.beat(Instant::now(), cpu_time);
                // The thread's own share of the next interval begins here.
                pulse.cpu = cpu_time();
                pulse.halts[heard..].to_vec()
            };
            heard += news.len();
            news.into_iter().chain(sleep.look(Instant::now(), suspended())).for_each(&told);
            stop.pause(BEAT);
        }
    })
}

/// How long the process was halted between two moments.
pub fn within(begin: Instant, end: Instant) -> Duration {
    if end.saturating_duration_since(begin) < LEAST {
        return Duration::ZERO;
    }
    so_far().iter().map(|halt| halt.within(begin, end)).sum()
}

/// All halts of this process.
pub fn so_far() -> Vec<Halt> {
    let Some(pulse) = PULSE.get() else { return Vec::new() };
    let mut pulse = locked(pulse);
    // A caller that comes before the watch after a halt still learns of the halt.
    pulse.beat(Instant::now(), cpu_time);
    pulse.halts.clone()
}

/// How long this process has been halted since its start.
pub fn halted() -> Duration {
    so_far().iter().map(|halt| halt.length).sum()
}

/// How long this process has run since a moment.
pub fn ran_since(begin: Instant) -> Duration {
    let now = Instant::now();
    now.saturating_duration_since(begin).saturating_sub(within(begin, now))
}

/// How long this machine has been suspended since its boot, which its boot clock counts and its monotonic one does not.
pub fn suspended() -> Duration {
    let monotonic = clock(ClockId::CLOCK_MONOTONIC);
    clock(ClockId::CLOCK_BOOTTIME).saturating_sub(monotonic)
}

/// The CPU time of all threads of this process.
fn cpu_time() -> Duration {
    clock(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// What a clock shows; zero if the kernel does not say.
fn clock(id: ClockId) -> Duration {
    clock_gettime(id).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pulse(begin: Instant) -> Beats {
        Beats { last: begin, cpu: Duration::ZERO, halts: Vec::new() }
    }

    #[rstest]
    #[case::stopped(25_000, 10, 25)]
    #[case::late_in_a_process_that_works(25_000, 20_000, 0)]
    #[case::busy_machine(900, 0, 0)]
    fn who_does_not_beat_and_uses_no_cpu_is_halted(
        #[case] apart_ms: u64,
        #[case] cpu_ms: u64,
        #[case] still: u32,
    ) {
        let begin = Instant::now();
        let mut pulse = pulse(begin);
        let (apart, cpu) = (Duration::from_millis(apart_ms), Duration::from_millis(cpu_ms));
        pulse.beat(begin + apart, || cpu);
        pulse.beat(begin + apart + SECOND / 10, || cpu);
        let halted: Duration = pulse.halts.iter().map(|halt| halt.length).sum();
        assert_eq!((halted, pulse.halts.len()), (still * SECOND, usize::from(still > 0)));
    }

    #[test]
    fn a_machine_that_was_suspended_halted_this_process() {
        let now = Instant::now();
        let mut sleep = Sleep(100 * SECOND);
        assert_eq!(
            sleep.look(now, 100 * SECOND + SECOND / 1000),
            None,
            "two clocks are read one after the other"
        );
        let length = 600 * SECOND - SECOND / 1000;
        assert_eq!(sleep.look(now, 700 * SECOND), Some(Halt { from: now, length }));
        assert_eq!(sleep.look(now, 700 * SECOND), None, "it is told once");
    }

    #[test]
    fn only_what_two_moments_enclose_is_left_out() {
        let begin = Instant::now();
        let halt = Halt { from: begin, length: 20 * SECOND };
        for (from, to, still) in [(5, 8, 3), (15, 30, 5), (0, 20, 20), (20, 30, 0), (30, 10, 0)] {
            assert_eq!(
                halt.within(begin + from * SECOND, begin + to * SECOND),
                still * SECOND,
                "{from} to {to}"
            );
        }
    }
}
