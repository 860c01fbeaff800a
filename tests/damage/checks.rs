//! Which checks the damages hold: every one of the table, or there is a reason why not.

use std::collections::BTreeSet;

use multivm::check::{About, CHECKS, post_copy};
use multivm_fixtures::selftest::{Damage, ExpectedFinding};

use crate::TABLES;

/// Checks that no damage must lead to a finding of, each with the reason.
static FOUND_BY_NONE: [(&About, &str); 1] = [(
    &post_copy::ABOUT,
    "held by unit tests only: libvirt refuses post-copy of a guest that stands still, and one that runs leaves something to switch for",
)];

/// Every check of the table has a damage that is always played and must lead to a finding of it, or a reason why there is none.
pub fn each_is_found_by_a_damage() -> Result<(), String> {
    let damages = TABLES.iter().copied().flatten().filter(|damage| !damage.is_ignored());
    let needed = damages
        .flat_map(|damage| damage.finds.iter().chain(damage.last_finds).chain(damage.then_finds))
        .filter_map(ExpectedFinding::needed);
    let found: BTreeSet<&str> = needed.map(|about| about.id).collect();
    let wrong = CHECKS.iter().filter_map(|check| {
        let id = check.about().id;
        let reason = FOUND_BY_NONE.iter().find(|(about, _)| about.id == id);
        match (found.contains(id), reason) {
            (false, None) => {
                Some(format!("no damage that is always played finds `{id}`, and no reason says why"))
            }
            (true, Some((_, reason))) => Some(format!("a damage finds `{id}`, although: {reason}")),
            _ => None,
        }
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A damage that is left out because another one stands for it: that one is played, and a check must find both.
pub fn each_that_is_left_out_has_another_that_is_played() -> Result<(), String> {
    let all = || TABLES.iter().copied().flatten();
    let checks = |damage: &Damage| -> BTreeSet<&str> {
        let needed = damage.finds.iter().chain(damage.then_finds).filter_map(ExpectedFinding::needed);
        needed.map(|about| about.id).collect()
    };
    let wrong = all().filter_map(|damage| {
        let like = damage.like?;
        let Some(other) = all().find(|other| other.name == like) else {
            return Some(format!("{} is like {like}, and there is no such damage", damage.name));
        };
        let (ours, theirs) = (checks(damage), checks(other));
        let alike = ours.is_empty() && theirs.is_empty() || !ours.is_disjoint(&theirs);
        (other.is_ignored() || !alike).then(|| {
            format!(
                "{} is like {like}, which is ignored, or which other checks find: {ours:?}, {theirs:?}",
                damage.name
            )
        })
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
