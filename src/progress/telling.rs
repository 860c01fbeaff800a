//! What happens in a run, a line for each event that matters, for readers of a pipe or a file. Pure.

use super::lines::{clock, counts, ending, printable};
use super::live::Live;
use crate::record::{Event, Finding, Outcome, RecordedLeg, RunEnd, Verdict};
use crate::sys::words::first_line;

/// The line of an event, if it matters; `live` has taken it in already. Without a newline, and all printable ASCII.
pub fn line(live: &Live, event: &Event) -> Option<String> {
    let text = match event {
        Event::RunStarted(header) => {
            let number = header.scenarios.map(|number| format!(", {number} scenarios")).unwrap_or_default();
            format!("run {}{number}: {}", header.run, header.command.join(" "))
        }
        Event::PartStarted(part) => format!("part {}", part.run),
        Event::FixtureReady { name, duration_s, .. } => format!("{name} ready after {duration_s:.1} s"),
        Event::GuestPanicked { guest, host, words } => {
            format!("  the kernel of {guest} panicked on {host}: {}", first_line(words))
        }
        Event::ScenarioStarted { scenario, .. } => {
            format!("{} {scenario}", number(live, live.run.results().count() + 1))
        }
        Event::LegFinished { guest, .. } => {
            let leg = live.guests.iter().find_map(|guest| guest.named_by(event))?;
            format!("  {guest}: {}", ending(leg, leg.end.as_ref()?))
        }
        Event::Downtime { guest, direction, clocks, .. } => {
            let leg = live.guests.iter().find_map(|guest| guest.named_by(event));
            let disagreement = leg.and_then(RecordedLeg::disagreement).map(|text| format!("; {text}"));
            let disagreement = disagreement.unwrap_or_default();
            format!("  {guest}: {direction}, downtime {:.0} ms{disagreement}", clocks.reported_ms)
        }
        Event::CheckFailed(Finding { guest, check, expected, seen, .. }) => {
            let of = guest.as_ref().map(|guest| format!(" of {guest}")).unwrap_or_default();
            let expected = first_line(expected);
            format!("  FAILED {check}{of}: {} (expected: {expected})", first_line(seen))
        }
        Event::LinesLost(lost) => format!("  the record is not whole: {lost}"),
        Event::Repair { what, why, .. } => format!("  repair: {what}: {}", first_line(why)),
        Event::HarnessHalted { duration_s, .. } => {
            format!("  multivm itself did not run for {duration_s:.1} s")
        }
        Event::ScenarioFinished(outcome) => finished(live, live.run.result_of(&outcome.scenario)?),
        Event::RunFinished(RunEnd { duration_s, .. }) => {
            format!("finished after {}: {}", clock(*duration_s), counts(live))
        }
        _ => return None,
    };
    Some(printable(&format!("{:>8}  {text}", clock(live.run.t_ms() / 1e3))))
}

/// What a scenario came to: `3 of 54 passed after 13.9 s: NAME`.
fn finished(live: &Live, outcome: &Outcome) -> String {
    let verdict = match outcome.verdict {
        Verdict::Failed => "FAILED".to_owned(),
        Verdict::Error => "ERROR".to_owned(),
        other => other.to_string(),
    };
    let why = match outcome.verdict {
        Verdict::Passed => String::new(),
        _ => format!(": {}", outcome.headline()),
    };
    let number = number(live, live.run.results().count());
    format!("{number} {} {verdict} after {:.1} s{why}", outcome.scenario, outcome.duration.as_secs_f64())
}

fn number(live: &Live, number: usize) -> String {
    match live.run.header.scenarios {
        Some(selected) => format!("{number}/{selected}"),
        None => number.to_string(),
    }
}
