//! Puts one host back, and compares it with what it was.

use std::fs;

use super::lease;
use super::state::HostState;
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::inventory::Login;
use crate::ledger::HostChanges;
use crate::remote::Remote;
use crate::sys::terminal;

/// Puts a host back that is in the ledger, and compares it with what it was: the answer is what differs.
///
/// # Errors
///
/// The host cannot be reached, or something cannot be put back.
pub fn put_back(on_host: &HostChanges) -> Result<Option<Failure>> {
    let HostChanges { name, address, login, run, before } = on_host;
    let login: Login =
        serde_json::from_value(login.clone()).attempting(|| format!("read the login of {name}"))?;
    let remote = Remote::steadfast(name.as_str(), login);
    let lease::PutBack { before: leased, left } =
        lease::end(&remote, Some(run)).map_err(|failure| advise(failure, address))?;
    let before = match (leased, fs::read_to_string(before)) {
        (Some(leased), _) => leased,
        // The host itself or somebody else was faster, or nothing was changed.
        (None, Ok(text)) => HostState::parse(&text)?,
        (None, Err(_)) => return Ok(None),
    };
    compare(&remote, &before, &left)
}

/// The login may be of before the host was installed anew.
fn advise(failure: Failure, address: &str) -> Failure {
    let advice = format!(
        "if its login is another one by now: multivm reap --inventory FILE; if the host is gone for good: multivm reap --forget {address}"
    );
    let advice = match &failure.try_next {
        Some(own) => format!("{own}; {advice}"),
        None => advice,
    };
    failure.try_next(advice)
}

/// Compares a host with what it was. Standard error names what was left to somebody else.
pub(super) fn compare(remote: &Remote, before: &HostState, left: &[String]) -> Result<Option<Failure>> {
    for left in left {
        terminal::say(&format!("multivm: left alone on {}: {left}", remote.name()));
    }
    let differences = before.differences(&HostState::of(remote)?);
    if differences.is_empty() {
        return Ok(None);
    }
    let left: String = left.iter().map(|left| format!(". Left alone: {left}")).collect();
    let cause =
        Cause::new(FailureKind::Other, format!("it is not what it was: {}{left}", differences.join(". ")));
    let differs = Failure::new("put the host back exactly", cause)
        .at(remote.name())
        .try_next("did somebody else change it meanwhile? If not, this is a defect of multivm");
    Ok(Some(differs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_cannot_be_reached_has_two_ways_out() {
        let advice = |failure| advise(failure, "kvm1").to_string();
        let plain = advice(Failure::new("log in", "no answer"));
        assert!(plain.contains("reap --inventory FILE") && plain.contains("reap --forget kvm1"), "{plain}");
        let with = advice(Failure::new("log in", "no answer").try_next("wait"));
        assert!(with.contains("try next: wait; if its login"), "{with}");
    }
}
