//! A scenario in plain English, before anything is started.
//!
//! Nothing is described here a second time: steps are those of the plan, flags and bandwidths those of the move that would be
//! ordered, proofs those of the table of checks that apply. This room only makes sentences of them.

mod load;
#[cfg(test)]
mod tests;

use std::time::Duration;

use humantime::format_duration;

use crate::check::applying;
use crate::guest::fleet_names;
use crate::migration::{self, Pace};
use crate::plan::{self, SEED_VARIABLE, Seed, Step};
use crate::scenario::{Profile, Scenario, ScenarioFile};
use crate::sys::words::counted;

/// Longer plans are shown in part: their first steps and their last.
const MOST_STEPS: usize = 12;

/// What the scenario does with this profile, which has guests of the scenario's size: lines of text, those of a list indented by
/// two spaces. An order that makes random choices makes those of the seed.
pub fn explain(scenario: &Scenario, profile: &Profile, seed: Seed) -> Vec<String> {
    let mut lines = vec![scenario.name()];
    lines.extend(fleet(scenario, profile));
    lines.push(in_every_guest(scenario, profile));
    lines.extend(load::lines(scenario, profile));
    lines.push(each_migration(scenario, profile));
    let fleet = plan::PlanInput { guests: profile.guests as usize, rounds: profile.rounds, seed };
    match scenario.order.steps(&fleet) {
        Ok(steps) => {
            lines.extend(moves(scenario, profile, seed, &steps));
            lines.push(deadline(scenario, profile, &steps));
        }
        Err(why) => lines.push(format!("Moves: none, {why}.")),
    }
    lines.extend(proofs(scenario, profile));
    lines
}

/// What the scenario file sets for the checks of a scenario: lines of text.
pub fn settings(scenario: &Scenario, file: &ScenarioFile) -> Vec<String> {
    applying(scenario).flat_map(|check| check.settings(scenario, file)).collect()
}

fn fleet(scenario: &Scenario, profile: &Profile) -> Vec<String> {
    let guests = counted(profile.guests, "guest", "guests");
    let size = format!(" of {} and {}", counted(profile.vcpus, "vCPU", "vCPUs"), profile.memory);
    let sizing = scenario.sizing.map(|sizing| format!(" (sizing {sizing})")).unwrap_or_default();
    let boot = format_duration(profile.boot_timeout);
    let start = if scenario.boots_itself() {
        format!("; each must answer within {boot} of every start")
    } else {
        format!(", booted on the source; each must answer within {boot}")
    };
    if profile.listed.is_empty() {
        return vec![format!("Fleet: {guests}{size}{sizing}{start}.")];
    }
    let mut lines = vec![format!("Fleet: {guests}{sizing}{start}:")];
    lines.extend(
        fleet_names(profile).zip(profile.members()).map(|(name, member)| format!("  - {name}: {member}")),
    );
    lines
}

fn in_every_guest(scenario: &Scenario, profile: &Profile) -> String {
    format!(
        "In every guest: our program rewrites {} with a pattern, all of it once in {}, and writes synced records to the disk.",
        profile.pattern_memory,
        format_duration(profile.rewrite(scenario.mode)),
    )
}

fn each_migration(scenario: &Scenario, profile: &Profile) -> String {
    let options = migration::options(scenario, profile, Pace::default());
    let (mode, transport) = (scenario.mode.row(), scenario.transport.row());
    format!(
        "Each migration: {options}; the guest {}; memory is sent {}; {}; it may take {}, then {}.",
        mode.text,
        transport.text,
        (mode.ends)(profile),
        format_duration(profile.migration_timeout(scenario.mode)),
        (mode.at_timeout)(profile),
    )
}

fn moves(scenario: &Scenario, profile: &Profile, seed: Seed, steps: &[Step]) -> Vec<String> {
    let order = scenario.order.row();
    let rounds = counted(profile.rounds, "round", "rounds");
    let from = if order.seeded { format!(", by the seed {seed} ({SEED_VARIABLE})") } else { String::new() };
    let mut lines = vec![format!("Moves: {rounds} there and back, {}{from}.", order.text)];
    let line = |(number, step): (usize, &Step)| format!("  {}. {step}; prove.", number + 1);
    if steps.len() <= MOST_STEPS {
        lines.extend(steps.iter().enumerate().map(line));
    } else {
        lines.extend(steps.iter().enumerate().take(MOST_STEPS - 2).map(line));
        lines.push(format!("  ... {} more steps like these", steps.len() - (MOST_STEPS - 1)));
        lines.extend(steps.iter().enumerate().next_back().map(line));
    }
    lines
}

/// When the scenario is given up, because something in it hangs.
fn deadline(scenario: &Scenario, profile: &Profile, steps: &[Step]) -> String {
    let longest = |steps| migration::longest(scenario, profile, steps);
    let steps = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let whole = |time: Duration| format_duration(Duration::from_secs(time.as_secs_f64().ceil() as u64));
    format!(
        "Deadline: {} for {}, by the limits of each and of what is around them; more on hosts with fewer CPUs than their guests have \
         vCPUs, which stretch limits, and never more than {}. Whatever goes on {} later hangs, and is given up.",
        whole(longest(steps)),
        counted(steps, "step", "steps"),
        whole(migration::MOST),
        whole(migration::GRACE),
    )
}

fn proofs(scenario: &Scenario, profile: &Profile) -> Vec<String> {
    let mut lines = vec!["Proved, by the names that findings have:".to_owned()];
    lines.extend(applying(scenario).map(|check| {
        let about = check.about();
        let asked: Vec<String> = about.asked.iter().map(ToString::to_string).collect();
        format!("  - {} ({}): {}", about.id, asked.join(", "), check.explain(scenario, profile))
    }));
    lines
}
