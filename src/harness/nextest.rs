//! A run of cargo-nextest: every scenario is a process of its own, and all of them share one lab and one folder.
//!
//! The first process raises the lab and leaves it in the ledger as kept until nextest ends; later processes find it. No
//! process needs to know whether it is the last: a [keeper](crate::stand::take_down_after) waits for the end of nextest and
//! takes the lab down.

use std::fs;
use std::path::{Path, PathBuf};

use super::ancestors::ancestors;
use crate::failure::{Attempt, Failure, Result};
use crate::ledger::Owner;
use crate::record::create_group;
use crate::sys::stop::StopFlag;

/// The kernel's name for cargo-nextest.
pub(super) const PROGRAM: &str = "cargo-nextest";

/// The file in which the first process says that it could not raise the lab, so that the others need not try.
const BROKEN: &str = "lab-failed.txt";

/// The run of nextest that started this process.
#[derive(Debug, Clone)]
pub(super) struct NextestRun {
    /// nextest's own UUID for the run.
    id: String,
    /// nextest's process.
    pub owner: Owner,
}

impl NextestRun {
    /// The nextest run of this process; none if nextest did not start it.
    pub(super) fn here() -> Option<NextestRun> {
        let id = std::env::var("NEXTEST_RUN_ID").ok()?;
        // The id becomes the name of a folder.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return None;
        }
        Some(NextestRun { id, owner: owner(nix::unistd::getppid().as_raw())? })
    }

    /// The folder of the run, in which every process makes a folder of its own. `latest` points to it.
    pub(super) fn folder(&self, results: &Path) -> Result<PathBuf> {
        create_group(results, &format!("nextest-{}", self.id))
            .attempting(|| format!("make a folder for this run in {}", results.display()))
    }

    /// Raises the lab or a part of it, unless an earlier process of the run has failed: this one would fail as well, perhaps
    /// after minutes. `folder` is the run's.
    pub(super) fn raise<T>(folder: &Path, stop: &StopFlag, raise: impl FnOnce() -> Result<T>) -> Result<T> {
        let broken = folder.join(BROKEN);
        if let Ok(why) = fs::read_to_string(&broken) {
            let why = format!("it failed for an earlier scenario of this run:\n{why}");
            return Err(Failure::new("raise the lab", why).try_next("the same as there, then run again"));
        }
        let raised = raise();
        if let (Err(failure), false) = (&raised, stop.is_set()) {
            // Without this file the other processes try for themselves.
            let _ = fs::write(broken, failure.to_string());
        }
        raised
    }
}

/// nextest's process among the ancestors of a process; otherwise the nearest that is not sudo, such as a debugger.
fn owner(parent: i32) -> Option<Owner> {
    let ancestors: Vec<(i32, String)> = ancestors(parent).collect();
    let nextest = ancestors.iter().find(|(_, name)| name == PROGRAM);
    let found = nextest.or_else(|| ancestors.iter().find(|(_, name)| name != "sudo"))?;
    Owner::of(found.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_found() {
        // Under nextest it is nextest, else whoever started this.
        let owner = owner(nix::unistd::getppid().as_raw()).unwrap();
        assert!(owner.is_alive());
    }

    fn fails() -> Result<()> {
        Err(Failure::new("find mmdebstrap", "not there"))
    }

    #[test]
    fn one_failure_to_raise_the_lab_is_told_to_all() {
        let folder = tempfile::tempdir().unwrap();
        let stop = StopFlag::new();
        assert_eq!(NextestRun::raise(folder.path(), &stop, || Ok(1)).unwrap(), 1);
        let first = NextestRun::raise(folder.path(), &stop, fails).unwrap_err().to_string();
        assert!(!first.contains("earlier"), "{first}");
        let tried_again = || -> Result<()> { unreachable!("it has failed before") };
        let told = NextestRun::raise(folder.path(), &stop, tried_again).unwrap_err().to_string();
        assert!(told.contains("earlier scenario of this run:\ncannot find mmdebstrap: not there"), "{told}");
    }

    #[test]
    fn what_an_interrupt_ended_is_no_failure_of_the_lab() {
        let folder = tempfile::tempdir().unwrap();
        let stop = StopFlag::new();
        stop.set();
        NextestRun::raise(folder.path(), &stop, fails).unwrap_err();
        assert_eq!(NextestRun::raise(folder.path(), &stop, || Ok(1)).unwrap(), 1);
    }
}
