//! The load was real: alive when sampled during the move, and at work.

use std::time::Duration;

use super::Proof;
use crate::load::{Load, Sample};

const CHECK: &str = "load";

/// In this time a load that works uses CPU time, however busy its machine is: the kernel counts it in steps of 10 ms.
const NOTICEABLE: Duration = Duration::from_millis(500);

/// A load on one machine: how it looked last, during the move, and after it if the machine was looked at then. It was
/// the guest that moved, or a host; every other guest is looked at again during the next move.
pub fn check(place: &str, load: &Load, last: &Sample, during: &Sample, after: Option<&Sample>) -> Proof {
    let expected = expected(place, load);
    let look = |when: &str, sample: &Sample| {
        format!(
            "{when}: {} processes ({} stopped), {:.2} s of CPU time, {} MiB resident",
            sample.alive,
            sample.stopped,
            sample.ticks as f64 / 100.0,
            sample.resident.0 >> 20
        )
    };
    let mut looks = vec![look("last", last), look("during", during)];
    looks.extend(after.map(|sample| look("after", sample)));
    let seen = looks.join("; ");
    let samples = || [Some(during), after].into_iter().flatten();
    let advice = if samples().any(|sample| sample.alive == 0) {
        "it ended: look for an out-of-memory kill in the kernel log, and at /tmp/multivm-load.log where it ran"
    } else if samples().any(|sample| sample.stopped > 0) {
        "a signal stopped it (SIGSTOP or SIGTSTP)"
    } else if idle(last, during) || after.is_some_and(|after| idle(during, after) || idle(last, after)) {
        "it did nothing: was it starved?"
    } else if samples().any(|sample| sample.resident < load.held()) {
        "it let go of its memory: was it started again?"
    } else {
        return Proof::new(CHECK, true, expected, seen);
    };
    Proof::new(CHECK, false, expected, seen).try_next(advice)
}

/// Whether it used no CPU time although there was time to.
fn idle(earlier: &Sample, later: &Sample) -> bool {
    let time = later.asked.saturating_duration_since(earlier.at);
    later.ticks < earlier.ticks || (time >= NOTICEABLE && later.ticks == earlier.ticks)
}

/// A load that could not be looked at.
pub fn unknown(place: &str, load: &Load, why: &str) -> Proof {
    Proof::new(CHECK, false, expected(place, load), format!("not known: {why}"))
}

fn expected(place: &str, load: &Load) -> String {
    format!("`{}` on {place} alive during the migration, and using CPU time", load.command)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;
    use crate::scenario::Bytes;

    #[rstest]
    #[case::works(2, 0, 900, true)]
    #[case::ended(0, 0, 0, false)]
    #[case::stopped(2, 2, 900, false)]
    #[case::idle(2, 0, 500, false)]
    fn it_must_live_and_work(
        #[case] alive: usize,
        #[case] stopped: usize,
        #[case] ticks: u64,
        #[case] ok: bool,
    ) {
        let zero = Instant::now();
        let sample = |seconds, alive, stopped, ticks| Sample {
            alive,
            stopped,
            ticks,
            resident: Bytes(0),
            asked: zero + Duration::from_secs(seconds),
            at: zero + Duration::from_secs(seconds),
        };
        let load = Load::new("stress --cpu 1".into(), 70, Bytes(0), false);
        let (last, during) = (sample(0, 2, 0, 400), sample(1, 2, 0, 500));
        assert_eq!(check("vm1", &load, &last, &during, Some(&sample(2, alive, stopped, ticks))).ok, ok);
        // Without a look after the move, the one during it decides.
        assert!(check("vm1", &load, &last, &during, None).ok);
    }
}
