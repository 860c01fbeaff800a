//! Guests whose image is a distribution's whole system: whether their first boot is over, and what they lack.

use std::collections::BTreeSet;

use super::ANSWER_LIMIT;
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::guest::Guest;
use crate::scenario::Load;

/// The file that cloud-init makes when all that it does at a boot is done.
const FIRST_BOOT_IS_OVER: &str = "/var/lib/cloud/instance/boot-finished";

/// Programs beside the loads' that multivm runs in guests.
const PROGRAMS: [&str; 4] = ["nice", "setsid", "pidof", "chattr"];

/// Whether a guest's first boot is over: until then, it works for itself and is measured by nobody.
pub fn has_booted(guest: &Guest) -> Result<bool> {
    let answer = guest.agent.remote().run(&format!("test -e {FIRST_BOOT_IS_OVER}"), ANSWER_LIMIT)?;
    Ok(answer.status == 0)
}

/// Makes sure that a guest has every program that scenarios run in guests.
///
/// # Errors
///
/// A program is missing, or the guest does not say.
pub fn has_programs(guest: &Guest) -> Result<()> {
    let programs: BTreeSet<&str> = Load::programs().into_iter().chain(PROGRAMS).collect();
    let all: Vec<&str> = programs.into_iter().collect();
    let script = format!("for one in {}; do command -v $one > /dev/null || echo $one; done", all.join(" "));
    let answer = guest.agent.remote().check(&script, ANSWER_LIMIT)?;
    let missing: Vec<&str> = answer.split_whitespace().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let image = guest.member.image.as_deref().unwrap_or_default();
    let cause = Cause::new(FailureKind::Missing, format!("it has no {}", missing.join(", ")));
    Err(Failure::new(format!("use {}", guest.name), cause).try_next(format!(
        "install what is missing in the image {image}: multivm installs nothing in guests"
    )))
}
