//! What the witness in a guest says of the guest's time: when it stood still, and how fast it wrote memory. How it knows
//! is in `fixtures/guest/agent/pulse.rs`. All its times are microseconds on its own monotonic clock, which begins when it
//! is started; [`ClockMap`] brings them to ours.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// An answer, with what happened since the moment that it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulse {
    /// When it was given. To ask with this the next time is to get what is new.
    pub now_us: u64,
    /// How long the guest's thread sleeps between two looks at the clock: the resolution of the gaps. 0: it does not look.
    pub interval_us: u64,
    /// Gaps up to this long are left out.
    pub threshold_us: u64,
    /// How often it has looked at the clock since the witness was started, and the longest time between two looks.
    pub turns: u64,
    pub longest_us: u64,
    /// When the guest's thread was last there before it was away for longer than the threshold, and for how long.
    /// A standstill that the guest's clock counts is no longer than its gap, and shorter by less than the interval and
    /// what the guest takes to wake a thread.
    pub gaps: Vec<(u64, u64)>,
    /// When it began to rewrite a part of its memory, and the milliseconds that a GiB would have taken; at most ten a
    /// second, the slowest.
    pub speeds: Vec<(u64, f64)>,
    /// 0 if all are here. Else how many were dropped for newer ones since the witness was started, of those since the
    /// moment that was asked for at least one.
    pub gaps_dropped: u64,
    pub speeds_dropped: u64,
}

/// A guest's clock against ours, as it was when the guest answered.
///
/// The further a time is from the answer, the more the two clocks may have drifted apart. Times from before a standstill
/// come out late by what the guest's clock lost in it: where the maps of an answer before and one after it put the same
/// time differs by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockMap {
    now_us: u64,
    now: Instant,
    /// It may be wrong by as much, either way: half the time that the answer took.
    pub error: Duration,
}

impl Pulse {
    /// None if it is not what the witness answers.
    pub fn parse(answer: &str) -> Option<Pulse> {
        let mut lines = answer.lines();
        let (head, fields) = line(lines.next()?)?;
        if head != "pulse" {
            return None;
        }
        let mut pulse = Pulse {
            now_us: value(&fields, "now_us")?,
            interval_us: value(&fields, "interval_us")?,
            threshold_us: value(&fields, "threshold_us")?,
            turns: value(&fields, "turns")?,
            longest_us: value(&fields, "longest_us")?,
            gaps: Vec::new(),
            speeds: Vec::new(),
            gaps_dropped: value(&fields, "gaps_dropped")?,
            speeds_dropped: value(&fields, "speeds_dropped")?,
        };
        for text in lines {
            let (head, fields) = line(text)?;
            let at_us = value(&fields, "at_us")?;
            match head {
                "gap" => pulse.gaps.push((at_us, value(&fields, "length_us")?)),
                "speed" => {
                    let ms: f64 = value(&fields, "ms_per_gib")?;
                    // These are numbers too, for the parser: "NaN", "inf", "-1".
                    if !ms.is_finite() || ms < 0.0 {
                        return None;
                    }
                    pulse.speeds.push((at_us, ms));
                }
                _ => return None,
            }
        }
        Some(pulse)
    }

    /// The guest's clock against ours; the question was asked and answered at these moments.
    pub fn mapping(&self, asked: Instant, answered: Instant) -> ClockMap {
        let error = answered.saturating_duration_since(asked) / 2;
        ClockMap { now_us: self.now_us, now: asked + error, error }
    }
}

impl ClockMap {
    /// When it was on our clock.
    pub fn at(&self, us: u64) -> Instant {
        let distance = Duration::from_micros(us.abs_diff(self.now_us));
        if us < self.now_us { self.now - distance } else { self.now + distance }
    }
}

/// `HEAD NAME=VALUE NAME=VALUE ...`
fn line(text: &str) -> Option<(&str, HashMap<&str, &str>)> {
    let (head, rest) = text.split_once(' ')?;
    let fields: Option<_> = rest.split(' ').map(|word| word.split_once('=')).collect();
    Some((head, fields?))
}

fn value<T: FromStr>(fields: &HashMap<&str, &str>, name: &str) -> Option<T> {
    fields.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "pulse now_us=5000000 interval_us=1000 threshold_us=5000 turns=4200 longest_us=700900 \
                        gaps_dropped=0 speeds_dropped=3\n";

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = format!(
            "{HEAD}gap at_us=1200000 length_us=700900\ngap at_us=3000000 length_us=5100\n\
             speed at_us=1199000 ms_per_gib=8231.250\nspeed at_us=2100000 ms_per_gib=0.000\n"
        );
        let pulse = Pulse::parse(&answer).unwrap();
        assert_eq!((pulse.now_us, pulse.interval_us, pulse.threshold_us), (5_000_000, 1000, 5000));
        assert_eq!((pulse.turns, pulse.longest_us), (4200, 700_900));
        assert_eq!((pulse.gaps_dropped, pulse.speeds_dropped), (0, 3));
        assert_eq!(pulse.gaps, [(1_200_000, 700_900), (3_000_000, 5100)]);
        assert_eq!(pulse.speeds, [(1_199_000, 8231.25), (2_100_000, 0.0)]);
    }

    #[test]
    fn there_may_be_nothing_to_tell() {
        let pulse = Pulse::parse(HEAD).unwrap();
        assert!(pulse.gaps.is_empty() && pulse.speeds.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (answer, why) in [
            (String::new(), "nothing"),
            ("unknown question: pulse 0\n".into(), "a witness of another build"),
            ("gap at_us=1 length_us=2\n".into(), "no head"),
            (HEAD.replace(" turns=4200", ""), "a field is missing"),
            (HEAD.replace("now_us=", "now_us=-"), "below zero"),
            (HEAD.replace("4200", "18446744073709551616"), "beyond 64 bits"),
            (HEAD.replace("turns=4200", "turns"), "a word without a value"),
            (format!("{HEAD}gap at_us=1\n"), "a gap without a length"),
            (format!("{HEAD}gap at_us=1 length_us=2.5\n"), "a gap with a fraction"),
            (format!("{HEAD}speed at_us=1 ms_per_gib=\n"), "a speed without a number"),
            (format!("{HEAD}speed at_us=1 ms_per_gib=NaN\n"), "a speed that is none"),
            (format!("{HEAD}speed at_us=1 ms_per_gib=-1\n"), "a speed below zero"),
            (format!("{HEAD}rest at_us=1 length_us=2\n"), "a line of another kind"),
            (format!("{HEAD}gap at_us=1 length_us=2\nspee"), "cut off"),
        ] {
            assert_eq!(Pulse::parse(&answer), None, "{why}: {answer:?}");
        }
    }

    #[test]
    fn a_guests_time_is_mapped_to_ours() {
        let asked = Instant::now();
        let map = Pulse::parse(HEAD).unwrap().mapping(asked, asked + ms(40));
        assert_eq!(map.error, ms(20));
        assert_eq!(map.at(5_000_000), asked + ms(20));
        assert_eq!(map.at(4_990_000), asked + ms(10));
        assert_eq!(map.at(5_001_500), asked + ms(20) + Duration::from_micros(1500));
        // Also from before the question.
        assert_eq!(map.at(4_000_000) + ms(980), asked);
    }

    #[test]
    fn wherever_between_question_and_answer_the_guest_looked_its_time_is_within_the_error() {
        let asked = Instant::now();
        let pulse = Pulse::parse(HEAD).unwrap();
        let map = pulse.mapping(asked, asked + ms(40));
        for looked in [0, 13, 20, 40].map(|after| asked + ms(after)) {
            let (a, b) = (map.at(pulse.now_us).max(looked), map.at(pulse.now_us).min(looked));
            assert!(a - b <= map.error);
        }
    }

    #[test]
    fn a_clock_that_goes_backwards_is_no_reason_to_panic() {
        let answered = Instant::now();
        let map = Pulse::parse(HEAD).unwrap().mapping(answered + ms(1), answered);
        assert_eq!((map.at(5_000_000), map.error), (answered + ms(1), Duration::ZERO));
        let _ = (map.at(0), map.at(u64::MAX));
    }
}
