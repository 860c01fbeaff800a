//! The method of a comparison in words, and what it would have found.

use super::comparison::{Comparison, Reach, Test};
use super::judge::{LEAST_GROUP, LEVEL};
use super::metric::{DowntimeClock, Metric};
use super::number::times;

/// The lines about the method.
pub fn method_lines(comparison: &Comparison) -> Vec<String> {
    let least: Vec<String> =
        Metric::ALL.iter().map(|metric| format!("{} {}", metric.name(), metric.show_least())).collect();
    let clock = match comparison.downtime_clock {
        DowntimeClock::Reported => "as reported, by the guest's network",
        DowntimeClock::Libvirt => "libvirt's",
    };
    let mut lines = vec![
        format!("downtime: {clock}."),
        "x: NEW to BASE. Of a scenario in a run its median leg counts, of a side the geometric mean of its runs, of a group its \
         median scenario."
            .to_owned(),
        format!("Least that matters: {}. Less is never called worse.", least.join(", ")),
    ];
    lines.extend(test_lines(comparison));
    lines.extend(Metric::ALL.into_iter().filter_map(|metric| reach_line(comparison, metric)));
    lines
}

fn test_lines(comparison: &Comparison) -> Vec<String> {
    let percent = LEVEL * 100.0;
    let (base, new) = (comparison.base.len(), comparison.new.len());
    match comparison.test {
        Test::Runs { ways } => vec![
            format!(
                "Test over {base} and {new} runs: there are {ways} ways to deal these {} runs into two such sides, and between \
                 equal stacks each is as likely as the true one. p: the share of ways in which anything - scenario, group, \
                 metric - rose as much. Worse is what rose like that in {percent:.0} % of the ways at most.",
                base + new
            ),
            format!(
                "A rise is counted in scatters between runs of one side. Judged are groups of {LEAST_GROUP} scenarios and more, and \
                 scenarios that more than half of the runs of each side have."
            ),
        ],
        Test::Scenarios { questions } => vec![
            match questions {
                0 => format!(
                    "No group of {LEAST_GROUP} scenarios is on both sides: no number is judged, verdicts alone are."
                ),
                _ => format!(
                    "Test over scenarios, of groups of {LEAST_GROUP} and more: a group is worse if more of its scenarios are beyond the \
                 least that matters than a coin shows heads in {percent:.0} % of all cases (sign test, one-sided; p after \
                 Holm's correction for {questions} groups and metrics)."
                ),
            },
            format!(
                "One scenario alone cannot be judged with {base} and {new} runs: a busy minute of the machine looks like a slower \
                 stack. That takes 3 runs a side, or 20 ways to deal them: --base A B C --new D E F."
            ),
        ],
    }
}

/// `Would have been found in total time: one scenario from x3.10 on, a group from x2.00 (all) to x2.60 (postcopy_cross) on.`
fn reach_line(comparison: &Comparison, metric: Metric) -> Option<String> {
    let of_metric: Vec<&Reach> = comparison.reach.iter().filter(|reach| reach.metric == metric).collect();
    let mut groups: Vec<(&str, f64)> =
        of_metric.iter().filter_map(|reach| Some((reach.group.as_deref()?, reach.factor?))).collect();
    groups.sort_by(|a, b| a.1.total_cmp(&b.1));
    let one = match of_metric.iter().find(|reach| reach.group.is_none())?.factor {
        Some(factor) => format!("one scenario from {} on", times(factor)),
        None => "no scenario alone".to_owned(),
    };
    let many = match (groups.first(), groups.last()) {
        (Some((first, least)), Some((last, most))) if first != last => {
            format!("a group from {} ({first}) to {} ({last}) on", times(*least), times(*most))
        }
        (Some((name, factor)), _) => format!("{name} from {} on", times(*factor)),
        _ => "no group".to_owned(),
    };
    Some(format!("Would have been found in {}: {one}, {many}.", metric.name()))
}
