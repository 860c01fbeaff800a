//! Which checks the damages hold: every one of the table, or there is a reason why not.

use std::collections::BTreeSet;

use multivm::check::{About, CHECKS, budget, post_copy, transport};

use crate::TABLES;

/// Checks that no damage must lead to a finding of, each with the reason.
static FOUND_BY_NONE: [(&About, &str); 3] = [
    (&post_copy::ABOUT, "held by unit tests only: no damage keeps QEMU from a switch to post-copy"),
    (&transport::ABOUT, "held by unit tests only: a QEMU that takes a transport uses it"),
    (&budget::ABOUT, "held by unit tests only: the scenario file of the damages has no budget"),
];

/// Every check of the table has a damage that must lead to a finding of it, or a reason why there is none.
pub fn each_is_found_by_a_damage() -> Result<(), String> {
    let damages = TABLES.iter().copied().flatten();
    let needed = damages.flat_map(|damage| damage.finds).filter_map(|expected| expected.needed());
    let found: BTreeSet<&str> = needed.map(|about| about.id).collect();
    let wrong = CHECKS.iter().filter_map(|check| {
        let id = check.about().id;
        let reason = FOUND_BY_NONE.iter().find(|(about, _)| about.id == id);
        match (found.contains(id), reason) {
            (false, None) => Some(format!("no damage finds `{id}`, and no reason says why")),
            (true, Some((_, reason))) => Some(format!("a damage finds `{id}`, although: {reason}")),
            _ => None,
        }
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
