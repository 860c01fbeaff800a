//! Recovered: the network of an arrived guest answers again soon, and keeps answering until the guest moves again.
//!
//! Any silence after the return of libvirt's call belongs to the move before it. Its cause may be a network that learns
//! late where the guest is, a host that gives the guest no CPU, or a kernel that dies of something lost on the way.

use std::time::{Duration, Instant};

use humantime::format_duration;

use super::stays::{Stay, Stays};
use super::{About, Advice, Asked, Check, End, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::probe::{Gap, Summary};
use crate::scenario::{Profile, Scenario};

pub static ABOUT: About = About {
    id: "recovery",
    summary: "recovered",
    how: "from a guest's start on the other host to its next move, or to the end of the scenario, its network is not silent for longer \
          than `max_recovery`, and loses at most a fifth of the probes",
    asked: &[Moment::End],
    only: Some("guests that do not boot while they move"),
    advice: &[SILENT_AT_ONCE, SILENT_LATER, LOSSY],
    ..About::BASE
};

const SILENT_AT_ONCE: Advice = Advice::new(
    "the network did not find the guest where it had arrived",
    "its frames may go to the old host: did the target's bridge announce the guest, and does a filter or a port's setting on the way \
     drop that? Else the host gave the guest no CPU. MULTIVM_MAX_RECOVERY sets the limit",
);

const SILENT_LATER: Advice = Advice::new(
    "a guest fell silent after its arrival",
    "it answered, and then did not: read its console log and QEMU's log of the target in the evidence. MULTIVM_MAX_RECOVERY sets the \
     limit",
);

const LOSSY: Advice = Advice::new(
    "the network loses some of what an arrived guest gets or sends",
    "compare the way to that host with the one to the other: does a port, a filter or a queue (tc -s qdisc) there drop frames, or do two \
     hosts answer for one address?",
);

/// The check.
pub struct Recovered;

impl Check for Recovered {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// A booting guest has no network to recover.
    fn applies(&self, scenario: &Scenario) -> bool {
        !scenario.boots_itself()
    }

    fn explain(&self, _scenario: &Scenario, profile: &Profile) -> String {
        format!(
            "recovered: from its start on the other host to its next move a guest's network is not silent for longer than {}",
            format_duration(profile.max_recovery)
        )
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(RecoveryAsked { limit: scene.fleet.profile.max_recovery, stays: Stays::default() }))
    }
}

struct RecoveryAsked {
    limit: Duration,
    stays: Stays,
}

impl Asked for RecoveryAsked {
    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        self.stays.on_leg(end);
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        // A stream without an end is a finding of another check.
        let Ok(summaries) = end.probes else { return Vec::new() };
        let mut proofs = Vec::new();
        for summary in summaries {
            for stay in self.stays.of(&summary.guest) {
                let silent = check(stay, summary, self.limit);
                let lossy = lossy(stay, summary).filter(|_| silent.ok);
                proofs.push(lossy.unwrap_or(silent).of(&summary.guest).after(Some(stay.leg)));
            }
        }
        proofs
    }
}

/// The longest silence of a stay: the time from the stay's beginning to it, and its length.
fn longest_silence(stay: &Stay, gaps: &[Gap]) -> Option<(Duration, Duration)> {
    let silences = gaps.iter().filter_map(|gap| {
        let from = gap.from.max(stay.from);
        let end = gap.from + gap.length;
        let until = stay.until.map_or(end, |until| until.min(end));
        (until > from).then(|| (from - stay.from, until - from))
    });
    silences.max_by_key(|(_, long)| *long)
}

/// A silence as long is no loss: a guest that waits for its host's CPU, or whose frames have not found it yet.
const SILENCE: Duration = Duration::from_millis(300);

/// Out of how many probes one may be lost: of 1384 guests in healthy scenarios on two CPUs none lost any but in silences.
const ONE_IN: u32 = 5;

/// Fewer probes outside of silences prove no loss.
const LEAST_PROBES: u32 = 100;

/// The finding about a stay in which the network answered all the time, and lost too many probes.
fn lossy(stay: &Stay, summary: &Summary) -> Option<Proof> {
    // What is under way when the stream ends has no answer yet.
    let until = stay.until.unwrap_or_else(|| summary.counts.end() - SILENCE);
    let mut from = stay.from;
    let (mut sent, mut answered) = (0, 0);
    let silences = summary.gaps.iter().filter(|gap| gap.length >= SILENCE && gap.touches(stay.from, until));
    let parts: Vec<(Instant, Instant)> = silences
        .map(|gap| (gap.from, gap.from + gap.length))
        .chain([(until, until)])
        .map(|(begins, ends)| (std::mem::replace(&mut from, ends), begins))
        .collect();
    for (from, until) in parts {
        let within = summary.counts.within(from, until);
        (sent, answered) = (sent + within.0, answered + within.1);
    }
    let lost = sent.saturating_sub(answered);
    (sent >= LEAST_PROBES && lost * ONE_IN > sent).then(|| {
        let expected =
            format!("at most one of {ONE_IN} probes is lost on the way to an arrived guest or back");
        Proof::new(&ABOUT, false, expected, format!("{lost} of {sent} probes were lost, beside silences"))
            .advise(&LOSSY)
    })
}

fn check(stay: &Stay, summary: &Summary, limit: Duration) -> Proof {
    let expected = format!(
        "no silence of the guest's network above {:.3} s from its start on the other host to its next move",
        limit.as_secs_f64()
    );
    let (after, long) = longest_silence(stay, &summary.gaps).unwrap_or_default();
    let advice = if after.is_zero() { &SILENT_AT_ONCE } else { &SILENT_LATER };
    let seen = match (long.is_zero(), after.is_zero()) {
        (true, _) => "no silence that can be seen".to_owned(),
        (false, true) => format!("silent for {:.3} s from its start on", long.as_secs_f64()),
        (false, false) => {
            format!("silent for {:.3} s, {:.3} s after its start", long.as_secs_f64(), after.as_secs_f64())
        }
    };
    Proof::new(&ABOUT, long <= limit, expected, seen).advise(advice)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::plan::{Direction, Leg};
    use crate::probe::Counts;

    const MS: Duration = Duration::from_millis(1);

    /// The longest of these gaps within a stay that begins at 1000 ms, in milliseconds.
    fn longest(until: Option<u32>, gaps: &[(u32, u32)]) -> Option<(u128, u128)> {
        let begin = Instant::now();
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let stay =
            Stay { leg, from: begin + 1000 * MS, until: until.map(|until| begin + until * MS), left: None };
        let gaps: Vec<Gap> = gaps
            .iter()
            .map(|(from, length)| Gap { from: begin + *from * MS, length: *length * MS })
            .collect();
        longest_silence(&stay, &gaps).map(|(after, long)| (after.as_millis(), long.as_millis()))
    }

    /// A stay that begins at 1000 ms and ends at 5000 ms, in which so many of ten probes are answered, and none for some time.
    fn loss(answered: u32, silent: (u32, u32)) -> Option<String> {
        let begin = Instant::now();
        let at = |ms: u32| begin + ms * MS;
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let stay = Stay { leg, from: at(1000), until: Some(at(5000)), left: None };
        let mut counts = Counts::new(begin);
        let (silent_from, silent_until) = silent;
        for ms in (0..6000).step_by(10) {
            counts.sent(at(ms));
            if ms / 10 % 10 < answered && !(silent_from..silent_until).contains(&ms) {
                counts.answered(at(ms + 1));
            }
        }
        let gap = Gap { from: at(silent_from), length: (silent_until - silent_from) * MS };
        let summary = Summary {
            guest: "vm1".into(),
            sent: 600,
            received: 500,
            counts,
            gaps: vec![gap],
            longest: gap,
            readings: Vec::new(),
            stalls: Default::default(),
        };
        lossy(&stay, &summary).map(|proof| proof.seen)
    }

    #[test]
    fn lost_probes_are_told_from_silence() {
        assert_eq!(loss(10, (900, 1300)), None);
        assert_eq!(loss(10, (2000, 4000)), None, "a silence has a limit of its own");
        assert_eq!(loss(9, (900, 1300)), None);
        assert_eq!(loss(7, (900, 1300)).as_deref(), Some("111 of 370 probes were lost, beside silences"));
        assert_eq!(loss(3, (1000, 4500)), None, "too few");
    }

    #[rstest]
    #[case::the_end_of_the_downtime(None, &[(800, 250)], Some((0, 50)))]
    #[case::frames_went_to_the_old_host(None, &[(800, 9200)], Some((0, 9000)))]
    #[case::after_the_call_returned(None, &[(800, 250), (4000, 9000)], Some((3000, 9000)))]
    #[case::before_it_is_the_last_moves(None, &[(0, 900)], None)]
    #[case::from_the_next_move_on_it_is_the_next_moves(Some(2000), &[(1900, 5000)], Some((900, 100)))]
    #[case::after_the_next_move(Some(2000), &[(2500, 5000)], None)]
    fn a_silence_belongs_to_the_move_that_it_follows(
        #[case] until: Option<u32>,
        #[case] gaps: &[(u32, u32)],
        #[case] expected: Option<(u128, u128)>,
    ) {
        assert_eq!(longest(until, gaps), expected);
    }
}
