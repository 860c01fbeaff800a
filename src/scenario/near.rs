//! Names of scenarios that are near to what was given.

use std::collections::BTreeSet;

use super::Scenario;
use crate::failure::input::suggestion;

/// The help line with the names of scenarios closest to `given`, and also parts of names unless `whole`.
pub(super) fn near<'a>(
    scenarios: impl Iterator<Item = &'a Scenario>,
    given: &str,
    whole: bool,
) -> Option<String> {
    let names: Vec<String> = scenarios.map(Scenario::name).collect();
    let parts: BTreeSet<String> = names.iter().filter(|_| !whole).flat_map(|name| parts(name)).collect();
    suggestion(given, names.iter().chain(&parts).map(String::as_str))
}

/// The parts of a name: its sections, runs of consecutive sections, and the words of the first section.
fn parts(name: &str) -> Vec<String> {
    let sections: Vec<&str> = name.split("::").collect();
    let runs = (0..sections.len())
        .flat_map(|from| (from + 1..=sections.len()).map(move |to| (from, to)))
        .map(|(from, to)| sections[from..to].join("::"));
    runs.chain(sections[0].split('_').map(str::to_owned)).collect()
}
