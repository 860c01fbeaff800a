//! Estimates the remaining time of a run by the durations of earlier runs. Pure.

use std::collections::BTreeMap;

use super::live::Live;

/// Seconds of play that count as exactly as fast as the earlier runs, so that a first scenario that takes twice as long does
/// not double the estimate for all.
const TRUST_S: f64 = 30.0;

/// The durations of scenarios in earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// The seconds of each scenario in the newest run that has it.
    seconds: BTreeMap<String, f64>,
    /// The names of each run's scenarios in the order of play, the newest run first.
    orders: Vec<Vec<String>>,
}

/// The scenarios that a run still has to play after the present one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToCome {
    pub names: Vec<String>,
    /// The number of further scenarios with unknown names.
    pub unnamed: usize,
}

impl Earlier {
    /// Adds a run that is older than all added before: its scenarios with their seconds, in the order of play.
    pub fn add_older(&mut self, run: Vec<(String, f64)>) {
        for (name, seconds) in &run {
            self.seconds.entry(name.clone()).or_insert(*seconds);
        }
        self.orders.push(run.into_iter().map(|(name, _)| name).collect());
    }

    /// The seconds of a scenario in the newest run that has it.
    pub fn seconds(&self, scenario: &str) -> Option<f64> {
        self.seconds.get(scenario).copied()
    }

    /// Guesses the remaining scenarios of a run from their number: if an earlier run played as many and began with this
    /// one's, the rest of that run; otherwise unknown scenarios.
    pub fn to_come(&self, live: &Live) -> Option<ToCome> {
        let selected = live.run.header.scenarios? as usize;
        let mut begun: Vec<&str> = live.run.results().map(|outcome| outcome.scenario.as_str()).collect();
        begun.extend(live.run.playing().map(|playing| playing.scenario.as_str()));
        let same = self.orders.iter().find(|order| {
            order.len() == selected && order.iter().zip(&begun).all(|(name, begun)| name == begun)
        });
        Some(match same {
            Some(order) => {
                ToCome { names: order.get(begun.len()..).unwrap_or_default().to_vec(), unnamed: 0 }
            }
            None => ToCome { names: Vec::new(), unnamed: selected.saturating_sub(begun.len()) },
        })
    }
}

/// The seconds until the end of the last scenario; none without anything to compute them from.
///
/// A scenario of an earlier run takes its time there, multiplied by this run's pace so far. Another scenario takes the
/// average of this run, or of earlier runs while this one has none.
pub fn seconds_left(live: &Live, now_ms: f64, to_come: &ToCome, earlier: &Earlier) -> Option<f64> {
    let (mut here, mut there) = (TRUST_S, TRUST_S);
    // A scenario that never began says nothing about the time of others.
    let real: Vec<_> = live.run.results().filter(|outcome| !outcome.duration.is_zero()).collect();
    for outcome in &real {
        if let Some(seconds) = earlier.seconds(&outcome.scenario) {
            here += outcome.duration.as_secs_f64();
            there += seconds;
        }
    }
    let pace = here / there;
    let mean = mean(real.iter().map(|outcome| outcome.duration.as_secs_f64()))
        .or_else(|| mean(earlier.seconds.values().map(|seconds| seconds * pace)));
    let expected = |name: &str| earlier.seconds(name).map(|seconds| seconds * pace).or(mean);

    let mut left = 0.0;
    if let Some(playing) = live.run.playing() {
        let elapsed = (now_ms - playing.began_t_ms()).max(0.0) / 1e3;
        left += (expected(&playing.scenario)? - elapsed).max(0.0);
    }
    for name in &to_come.names {
        left += expected(name)?;
    }
    if to_come.unnamed > 0 {
        left += mean? * to_come.unnamed as f64;
    }
    Some(left)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    use crate::record::{Envelope, Event, Outcome, RunHeader, Verdict};
    use rstest::rstest;

    fn earlier(runs: &[&[(&str, f64)]]) -> Earlier {
        let mut earlier = Earlier::default();
        for run in runs {
            earlier.add_older(run.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect());
        }
        earlier
    }

    /// A run that has played some and is playing one since second 100.
    fn live(played: &[(&str, f64)], playing: Option<&str>, selected: Option<u32>) -> Live {
        let mut live = Live::default();
        let mut apply = |t_ms, event| live.apply(&Envelope { at: SystemTime::UNIX_EPOCH, t_ms }, &event);
        apply(0, Event::RunStarted(RunHeader { scenarios: selected, ..RunHeader::default() }));
        for (name, seconds) in played {
            let mut outcome = Outcome::new(*name, Verdict::Passed, SystemTime::UNIX_EPOCH);
            outcome.duration = Duration::from_secs_f64(*seconds);
            apply(0, Event::ScenarioFinished(outcome));
        }
        if let Some(scenario) = playing {
            apply(100_000, Event::ScenarioStarted { scenario: scenario.into(), ignored: false });
        }
        live
    }

    fn names(names: &[&str]) -> ToCome {
        ToCome { names: names.iter().map(ToString::to_string).collect(), unnamed: 0 }
    }

    #[test]
    fn the_newest_run_that_has_a_scenario_counts() {
        let earlier = earlier(&[&[("a", 10.0)], &[("a", 99.0), ("b", 20.0)]]);
        assert_eq!(
            (earlier.seconds("a"), earlier.seconds("b"), earlier.seconds("c")),
            (Some(10.0), Some(20.0), None)
        );
    }

    #[rstest]
    // Nothing has been played: what they took earlier.
    #[case::at_the_start(&[], Some("a"), 100e3, Some(10.0 + 20.0 + 30.0))]
    #[case::before_the_first(&[], None, 0.0, Some(20.0 + 30.0))]
    #[case::in_the_middle(&[], Some("a"), 104e3, Some(6.0 + 20.0 + 30.0))]
    // A scenario that takes longer than expected is about to end, not overdue by a negative time.
    #[case::longer(&[], Some("a"), 150e3, Some(20.0 + 30.0))]
    // 60 s took twice as long as earlier: (30 + 120) / (30 + 60).
    #[case::slower(&[("x", 120.0)], Some("a"), 100e3, Some(60.0 * 150.0 / 90.0))]
    fn what_earlier_runs_took(
        #[case] played: &[(&str, f64)],
        #[case] playing: Option<&str>,
        #[case] now_ms: f64,
        #[case] expected: Option<f64>,
    ) {
        let earlier = earlier(&[&[("a", 10.0), ("b", 20.0), ("c", 30.0), ("x", 60.0)]]);
        let left = seconds_left(&live(played, playing, None), now_ms, &names(&["b", "c"]), &earlier);
        assert_eq!(left.map(|left| (left * 1e6).round()), expected.map(|left| (left * 1e6).round()));
    }

    #[test]
    fn without_earlier_runs_the_mean_so_far_counts() {
        let run = live(&[("a", 10.0), ("b", 20.0), ("refused", 0.0)], Some("c"), None);
        assert_eq!(seconds_left(&run, 105e3, &names(&["d"]), &Earlier::default()), Some(10.0 + 15.0));
        let unnamed = ToCome { names: Vec::new(), unnamed: 4 };
        assert_eq!(seconds_left(&run, 105e3, &unnamed, &Earlier::default()), Some(10.0 + 60.0));
    }

    #[test]
    fn what_cannot_be_known_is_not_said() {
        let run = live(&[], Some("a"), None);
        assert_eq!(seconds_left(&run, 100e3, &names(&[]), &Earlier::default()), None);
        assert_eq!(seconds_left(&live(&[], None, None), 0.0, &names(&["a"]), &Earlier::default()), None);
    }

    #[test]
    fn the_rest_of_a_run_that_began_alike_is_to_come() {
        let earlier =
            earlier(&[&[("b", 1.0), ("a", 1.0), ("c", 1.0)], &[("a", 1.0), ("b", 1.0), ("c", 1.0)]]);
        let run = |selected| live(&[("a", 1.0)], Some("b"), selected);
        assert_eq!(earlier.to_come(&run(Some(3))), Some(names(&["c"])));
        assert_eq!(earlier.to_come(&run(Some(5))), Some(ToCome { names: Vec::new(), unnamed: 3 }));
        assert_eq!(earlier.to_come(&run(None)), None);
    }
}
