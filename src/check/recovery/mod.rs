//! Recovered: the network of an arrived guest answers again soon, and keeps answering until the guest moves again.
//!
//! Any silence after the return of libvirt's call belongs to the move before it. Its cause may be a network that learns
//! late where the guest is, a host that gives the guest no CPU, or a kernel that dies of something lost on the way. A network that is
//! never silent may still lose much, be late with all of it, or carry little at once.

mod about;
mod delay;
mod heard;
mod loss;

use std::time::Duration;

use humantime::format_duration;

use super::stays::{self, Stay, Stays};
use super::{About, Asked, Check, End, LegEnd, Outage, Proof, Scene};
use crate::failure::Result;
use crate::plan::Direction;
use crate::probe::{Gap, Summary};
use crate::scenario::{Profile, Scenario, Side};
use crate::sys::words::counted;
pub use about::ABOUT;
use about::{SILENT_AT_ONCE, SILENT_LATER};
use delay::{Before, Delay, LEAST_ALONE, LEAST_TOGETHER, Took, answers, bursts};
use heard::Heard;
use loss::lossy;

/// The check.
pub struct Recovered;

impl Check for Recovered {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        stays::are_judged(scenario)
    }

    fn explain(&self, _scenario: &Scenario, profile: &Profile) -> String {
        format!(
            "recovered: from its start on the other host to its next move a guest's network is not silent for longer than {0}, nor lossy \
             or {1} times slower than before for as long",
            format_duration(profile.max_recovery),
            profile.max_slowdown
        )
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let profile = &scene.fleet.profile;
        Ok(Box::new(RecoveryAsked {
            limit: profile.max_recovery,
            slowdown: profile.max_slowdown,
            stays: Stays::default(),
        }))
    }
}

struct RecoveryAsked {
    limit: Duration,
    slowdown: u32,
    stays: Stays,
}

impl Asked for RecoveryAsked {
    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        self.stays.on_leg(end);
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        // A stream without an end is a finding of another check.
        let Ok(summaries) = end.probes else { return Vec::new() };
        let first_move = |summary: &Summary| self.stays.first_move(&summary.guest);
        let all = Before::of(summaries.iter().map(|summary| (summary, first_move(summary))));
        let mut proofs = Vec::new();
        let mut short: [Vec<Heard<'_>>; 2] = Default::default();
        for summary in summaries {
            let own = Before::of([(summary, first_move(summary))]);
            for stay in self.stays.of(&summary.guest) {
                let (proof, unjudged) = self.judge(stay, summary, own.or(&all));
                short[usize::from(stay.leg.direction == Direction::Back)].extend(unjudged);
                proofs.push(proof.of(&summary.guest).after(Some(stay.leg)));
            }
        }
        for (short, host) in short.iter().zip([Side::Target, Side::Source]) {
            proofs.extend(self.judge_together(short, host, all.or(&all)));
        }
        proofs
    }
}

impl RecoveryAsked {
    /// Judges a stay by the first of these that is wrong: silence, delay, loss, and how much the network carries at once. With it comes
    /// what was heard if that is too little to judge the delay.
    fn judge<'a>(
        &self,
        stay: &Stay,
        summary: &'a Summary,
        before: (&[Took], &[Took]),
    ) -> (Proof, Option<Heard<'a>>) {
        let silent = check(stay, summary, self.limit);
        if !silent.ok {
            return (silent, None);
        }
        let heard = [Heard::new(summary, stay)];
        let answers = answers(&heard, before.0, LEAST_ALONE).judge(self.slowdown, self.limit);
        let bursts = bursts(&heard, before.1).judge(self.slowdown, self.limit);
        let is_judged = answers.is_some();
        let found = |delay: &Option<Delay>| delay.as_ref().and_then(|delay| delay.found.clone());
        let lossy = || lossy(&heard[0], self.limit);
        if let Some(found) = found(&answers).or_else(lossy).or_else(|| found(&bursts)) {
            return (found, None);
        }
        let unjudged = heard.into_iter().find(|_| !is_judged);
        let delays: Vec<Delay> = answers.into_iter().chain(bursts).collect();
        let recovered = delays.iter().filter_map(|delay| delay.recovered).max();
        let after = recovered.map(|at| at.saturating_duration_since(stay.from).as_secs_f64());
        let told = [silent.seen.clone()].into_iter().chain(delays.into_iter().map(|delay| delay.told));
        let told: Vec<String> =
            told.chain(after.map(|after| format!("recovered after {after:.1} s"))).collect();
        (Proof { seen: told.join("; "), ..silent }, unjudged)
    }

    /// Judges the delay of stays of several guests at one host that are too short to be judged alone.
    fn judge_together(&self, heard: &[Heard<'_>], host: Side, before: (&[Took], &[Took])) -> Option<Proof> {
        let long: Duration = heard.iter().map(Heard::long).sum();
        let stays = counted(heard.len(), "short stay", "short stays");
        let what = format!("{stays} on the {host}, {:.1} s together", long.as_secs_f64());
        let delay = answers(heard, before.0, LEAST_TOGETHER).judge(self.slowdown, self.limit);
        let expected = "answers of arrived guests not later than before the first move".to_owned();
        let proof = match delay {
            Some(Delay { found: Some(found), .. }) => {
                Proof { seen: format!("{what}: {}", found.seen), ..found }
            }
            Some(Delay { told, .. }) => Proof::new(&ABOUT, true, expected, format!("{what}: {told}")),
            None => {
                let seen =
                    format!("not judged: {what} are too few, or there is nothing to compare them with");
                Proof::new(&ABOUT, true, expected, seen)
            }
        };
        match heard {
            [] => None,
            [alone] => Some(proof.of(&alone.summary.guest)),
            _ => Some(proof),
        }
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
    let gap = Outage::gap(stay.from + after, long);
    Proof::new(&ABOUT, long <= limit, expected, seen).advise(advice).tells(gap)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use rstest::rstest;

    use super::*;
    use crate::plan::Leg;
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

    /// What is said of the delay of so many guests, each of which is on the target for 700 ms, where it answers after so long.
    fn together(guests: u32, took: u32) -> Option<(bool, Option<String>, String)> {
        let begin = Instant::now();
        let at = |ms: u32| begin + ms * MS;
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let stay = Stay { leg, from: at(1000), until: Some(at(1700)), left: None };
        let summary = |number| {
            let mut counts = Counts::new(begin);
            for ms in (0..2000).step_by(10) {
                counts.sent(at(ms));
                counts.answered(at(ms), if ms < 1000 { MS } else { took * MS });
            }
            Summary {
                guest: format!("vm{number}"),
                sent: 200,
                received: 200,
                counts,
                gaps: Vec::new(),
                longest: Gap { from: begin, length: 10 * MS },
                readings: Vec::new(),
                bursts: Vec::new(),
                stalls: Arc::default(),
            }
        };
        let summaries: Vec<Summary> = (1..=guests).map(summary).collect();
        let before = Before::of(summaries.iter().map(|summary| (summary, Some(at(1000)))));
        let asked = RecoveryAsked { limit: 4000 * MS, slowdown: 10, stays: Stays::default() };
        let judged = summaries.iter().map(|summary| asked.judge(&stay, summary, before.or(&before)));
        let short: Vec<Heard<'_>> =
            judged.filter_map(|(proof, unjudged)| unjudged.filter(|_| proof.ok)).collect();
        assert_eq!(short.len(), summaries.len(), "each is too short alone");
        let proof = asked.judge_together(&short, Side::Target, before.or(&before))?;
        Some((proof.ok, proof.guest, proof.seen))
    }

    #[test]
    fn the_delay_of_short_stays_is_judged_together() {
        let said = |guests, took| together(guests, took).unwrap();
        let what = "2 short stays on the target, 1.4 s together: answers within";
        assert_eq!(said(2, 120), (false, None, format!("{what} 120 ms, 1 before")));
        assert_eq!(said(2, 80), (true, None, format!("{what} 80 ms, 1 before")));
        let (ok, guest, seen) = said(1, 120);
        assert!(ok && guest.as_deref() == Some("vm1"));
        assert!(
            seen.starts_with("not judged: 1 short stay on the target, 0.7 s together are too few"),
            "{seen}"
        );
        assert_eq!(together(0, 80), None);
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
