//! Delay: the network carries everything to a guest that has arrived and back, and far too late, or far too little at once.
//!
//! A guest that waits for its host's CPU is late with some of its answers, a slow network with all of them. So of a tenth of a second the
//! quickest answer counts, of a burst the time from its first answer to its last, and of a part of a stay the sample that a quarter of
//! the others are faster than.

use std::time::{Duration, Instant};

use super::about::{ABOUT, LATE, NARROW};
use super::heard::Heard;
use crate::check::{Advice, Proof};
use crate::probe::{BURST_BYTES, BURST_EVERY, COUNTED, Summary};

/// A faster network is as good as this one, for one answer and for a burst of them.
const FAST: Duration = Duration::from_millis(10);

/// The least pieces of time of a stay that is judged alone: as long as stays whose speed is.
pub const LEAST_ALONE: usize = 20;

/// The least pieces of time of stays that are judged together.
pub const LEAST_TOGETHER: usize = 10;

/// The least number of samples before the first move that others are compared with.
const LEAST_BEFORE: usize = 3;

/// How long a network takes; none if that is longer than can be seen.
pub type Took = Option<Duration>;

/// How long a network took before guests moved.
#[derive(Default)]
pub struct Before {
    answers: Vec<Took>,
    bursts: Vec<Took>,
}

impl Before {
    /// What was before the first move of guests together, given with when each moved first.
    pub fn of<'a>(guests: impl IntoIterator<Item = (&'a Summary, Option<Instant>)>) -> Before {
        let mut before = Before::default();
        for (summary, first_move) in guests {
            let Some(first_move) = first_move else { continue };
            let quickest = summary.counts.pieces_until(first_move).map(|piece| piece.quickest);
            before.answers.extend(quickest.filter(Option::is_some));
            let bursts = summary.bursts.iter().filter(|burst| burst.sent < first_move);
            before.bursts.extend(bursts.map(|burst| burst.took));
        }
        before
    }

    /// A guest that moved at once is compared with all guests.
    pub fn or<'a>(&'a self, all: &'a Before) -> (&'a [Took], &'a [Took]) {
        fn enough<'a>(own: &'a [Took], all: &'a [Took]) -> &'a [Took] {
            if own.len() < LEAST_BEFORE { all } else { own }
        }
        (enough(&self.answers, &all.answers), enough(&self.bursts, &all.bursts))
    }
}

/// What of a network is judged.
pub struct Delays<'a> {
    what: String,
    advice: &'static Advice,
    before: &'a [Took],
    after: Vec<(Instant, Took)>,
    /// The time between two samples.
    every: Duration,
    /// Fewer samples of a stay prove nothing.
    least: usize,
}

/// The slowness of a network in the worst part of a stay.
pub struct Delay {
    pub told: String,
    /// The first moment at which it was within the limit.
    pub recovered: Option<Instant>,
    /// The finding about it.
    pub found: Option<Proof>,
}

/// The answers to single probes. A probe without an answer is lost, and not late. `least`: fewer pieces of time prove nothing.
pub fn answers<'a>(heard: &[Heard<'_>], before: &'a [Took], least: usize) -> Delays<'a> {
    let pieces = heard.iter().flat_map(|heard| &heard.pieces);
    let after = pieces.map(|piece| (piece.from, piece.quickest));
    Delays {
        what: "answers".into(),
        advice: &LATE,
        before,
        after: after.filter(|(_, took)| took.is_some()).collect(),
        every: COUNTED,
        least,
    }
}

/// The bursts of long probes.
pub fn bursts<'a>(heard: &[Heard<'_>], before: &'a [Took]) -> Delays<'a> {
    let of = |heard: &Heard<'_>| {
        let all = heard.summary.bursts.iter();
        let after = all.filter(|burst| !heard.is_silent(burst.sent, burst.sent + BURST_EVERY));
        after.map(|burst| (burst.sent, burst.took)).collect::<Vec<_>>()
    };
    Delays {
        what: format!("{} KiB at once", BURST_BYTES >> 10),
        advice: &NARROW,
        before,
        after: heard.iter().flat_map(of).collect(),
        every: BURST_EVERY,
        least: 3,
    }
}

impl Delays<'_> {
    /// Judges every `window` of a stay. What takes more than `slowdown` times as long as before the first move is too slow. None: there is
    /// too little to judge, or to compare it with.
    pub fn judge(self, slowdown: u32, window: Duration) -> Option<Delay> {
        let was =
            slower_than(self.before.iter().copied(), 2).filter(|_| self.before.len() >= LEAST_BEFORE)??;
        let limit = was.max(FAST) * slowdown;
        let parts = Heard::parts(&self.after, window, self.every).filter(|part| part.len() >= self.least);
        let worst = parts.filter_map(|part| slower_than(part.iter().map(|(_, took)| *took), 4));
        let is = worst.max_by_key(|took| took.unwrap_or(Duration::MAX))?;
        let within = |took: Took| took.is_some_and(|took| took <= limit);
        let ms = |took: Duration| took.as_secs_f64() * 1000.0;
        let now = is.map_or("not at all".to_owned(), |took| format!("within {:.0} ms", ms(took)));
        let told = format!("{} {now}, {:.0} before", self.what, ms(was));
        let found = (!within(is)).then(|| {
            let expected = format!(
                "{} of an arrived guest within {:.0} ms, as before the first move or {slowdown} times slower",
                self.what,
                ms(limit)
            );
            Proof::new(&ABOUT, false, expected, told.clone()).advise(self.advice)
        });
        let recovered = self.after.iter().find(|(_, took)| within(*took)).map(|(at, _)| *at);
        Some(Delay { told, recovered, found })
    }
}

/// The sample than which one in so many is faster.
fn slower_than(samples: impl Iterator<Item = Took>, one_in: usize) -> Option<Took> {
    let mut samples: Vec<Took> = samples.collect();
    samples.sort_unstable_by_key(|took| took.unwrap_or(Duration::MAX));
    samples.get(samples.len() / one_in).copied()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Whether samples twice a second of 10 s are found, which take 4 ms, and so long for a part of that time.
    fn judged(slow: std::ops::Range<usize>, took: Took, before: &[Took]) -> Option<(bool, String)> {
        let begin = Instant::now();
        let sample = |nth: usize| {
            let quick = !slow.contains(&nth) || nth.is_multiple_of(5);
            (begin + nth as u32 * 500 * MS, if quick { Some(4 * MS) } else { took })
        };
        let delays = Delays {
            what: "32 KiB at once".into(),
            advice: &NARROW,
            before,
            after: (0..20).map(sample).collect(),
            every: 500 * MS,
            least: 3,
        };
        delays.judge(10, 4000 * MS).map(|delay| (delay.found.is_none(), delay.told))
    }

    const THREE: Took = Some(Duration::from_millis(3));
    const BEFORE: [Took; 5] = [None, THREE, THREE, THREE, Some(Duration::from_millis(200))];

    #[rstest]
    #[case::never(0..0, None, true, "32 KiB at once within 4 ms, 3 before")]
    #[case::slow(2..14, Some(300 * MS), false, "32 KiB at once within 300 ms, 3 before")]
    #[case::too_slow_to_be_seen(2..14, None, false, "32 KiB at once not at all, 3 before")]
    #[case::for_a_moment(2..7, None, true, "32 KiB at once within 4 ms, 3 before")]
    #[case::slow_and_fast_enough(2..14, Some(60 * MS), true, "32 KiB at once within 60 ms, 3 before")]
    fn a_network_that_is_slow_for_long_is_found(
        #[case] slow: std::ops::Range<usize>,
        #[case] took: Took,
        #[case] ok: bool,
        #[case] said: &str,
    ) {
        assert_eq!(judged(slow, took, &BEFORE), Some((ok, said.to_owned())));
    }

    #[test]
    fn what_was_as_slow_before_or_is_not_known_of_before_is_not_found() {
        assert!(judged(2..14, Some(300 * MS), &[Some(30 * MS); 3]).unwrap().0);
        assert_eq!(judged(2..14, None, &[None; 5]), None);
        assert_eq!(judged(2..14, None, &BEFORE[1..3]), None);
    }
}
