//! The link `latest`, which leads to no run of an earlier command once this one has begun.

use std::path::Path;

use super::command;
use crate::failure::Result;
use crate::record;
use crate::run::withdraw_latest;

/// Removes the link `latest` if it leads to an earlier command's run, and returns whether it did.
///
/// `cargo test` starts several programs. The link stays if an earlier one of them made the run.
///
/// # Errors
///
/// The link cannot be removed.
pub(super) fn withdraw(results: &Path) -> Result<bool> {
    withdraw_latest(results, command::age())
}

/// Removes `latest` for a command that plays nothing, and returns the message about it; none without a link.
pub(super) fn withdrawn(results: &Path) -> Option<String> {
    let latest = record::latest(results);
    match withdraw(results) {
        Ok(true) => Some(format!("{} led to an earlier run, and is gone", latest.display())),
        Ok(false) => None,
        Err(failure) => Some(failure.to_string()),
    }
}
