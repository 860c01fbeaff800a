//! Guests whose image is a distribution's whole system: whether their first boot is over, and what they lack.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::ANSWER_LIMIT;
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::guest::Guest;
use crate::guest::room::mib;
use crate::scenario::{Bytes, Load};

/// Asks how far cloud-init is: fails until all that it does at this boot is done, and then prints what it has to say of a first boot. No
/// later boot has a status: the first one has disabled cloud-init. The result comes a moment after `boot-finished`.
const FIRST_BOOT: &str = "test -e /var/lib/cloud/instance/boot-finished && \
                          if test -e /run/cloud-init/status.json; then cat /run/cloud-init/result.json; fi";

/// Programs beside the loads' that multivm runs in guests.
const PROGRAMS: [&str; 4] = ["nice", "setsid", "pidof", "chattr"];

/// The folder below which witnesses and loads write in guests.
const FOLDER: &str = "/var/lib";

/// Least room there: a load of the profile `lab` writes half of that.
const LEAST_ROOM: Bytes = Bytes(64 << 20);

/// The result of cloud-init's work at a first boot, as cloud-init writes it.
#[derive(Deserialize)]
struct BootResult {
    v1: BootErrors,
}

#[derive(Deserialize)]
struct BootErrors {
    #[serde(default)]
    errors: Vec<String>,
}

/// What went wrong at a guest's first boot, by cloud-init's own account; none until that boot is over. Until then, the guest works for
/// itself and is measured by nobody.
///
/// # Errors
///
/// The guest does not say.
pub fn first_boot(guest: &Guest) -> Result<Option<Vec<String>>> {
    let answer = guest.agent.remote().run(FIRST_BOOT, ANSWER_LIMIT)?;
    if answer.status != 0 { Ok(None) } else { boot_errors(&answer.stdout).map(Some) }
}

fn boot_errors(said: &str) -> Result<Vec<String>> {
    if said.trim().is_empty() {
        return Ok(Vec::new());
    }
    let result: BootResult = serde_json::from_str(said).attempting(|| "read cloud-init's result".into())?;
    Ok(result.v1.errors)
}

/// Makes sure that a guest has room where multivm writes.
///
/// # Errors
///
/// Its disk is as good as full, or the guest does not say.
pub fn has_room(guest: &Guest) -> Result<()> {
    let answer = guest.agent.remote().check(&format!("df -Pk {FOLDER}"), ANSWER_LIMIT)?;
    let Some(free) = free(&answer).filter(|free| *free < LEAST_ROOM.0) else { return Ok(()) };
    let cause = format!("its disk is full: {FOLDER} has {} free, and {LEAST_ROOM} are needed", mib(free));
    Err(Failure::new(format!("use {}", guest.name), Cause::new(FailureKind::Missing, cause)).try_next(
        format!(
            "make the file system in the image {} larger, or remove something: multivm enlarges nothing",
            image_of(guest)
        ),
    ))
}

/// The free bytes of a file system, by what `df -Pk` prints; none if that is no table.
fn free(answer: &str) -> Option<u64> {
    let words: Vec<&str> = answer.lines().nth(1)?.split_whitespace().collect();
    words.get(3)?.parse::<u64>().ok().map(|kib| kib << 10)
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
    let cause = Cause::new(FailureKind::Missing, format!("it has no {}", missing.join(", ")));
    Err(Failure::new(format!("use {}", guest.name), cause).try_next(format!(
        "install what is missing in the image {}: multivm installs nothing in guests",
        image_of(guest)
    )))
}

fn image_of(guest: &Guest) -> &str {
    guest.member.image.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_inits_errors_are_read_from_its_result() {
        let result =
            r#"{"v1": {"datasource": "DataSourceNoCloud [seed=/dev/vdb]", "errors": ["('runcmd', oops)"]}}"#;
        assert_eq!(boot_errors(result).unwrap(), ["('runcmd', oops)"]);
        assert!(boot_errors(r#"{"v1": {"datasource": null, "errors": []}}"#).unwrap().is_empty());
        assert!(boot_errors("\n").unwrap().is_empty(), "a later boot");
        assert!(boot_errors("{").unwrap_err().to_string().starts_with("cannot read cloud-init's result"));
    }

    #[test]
    fn free_room_is_the_fourth_column() {
        let table = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/vda1          2995776 2976128      1024     100% /\n";
        assert_eq!(free(table), Some(1 << 20));
        assert_eq!((free(""), free("df: no such file\n")), (None, None));
    }
}
