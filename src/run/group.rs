//! Runs that share their hosts and one folder, such as the processes of one cargo-nextest.
//!
//! The first run raises the hosts and leaves them in the ledger as kept until the owner of the group ends; later runs find
//! them. No run needs to know whether it is the last: a [keeper](crate::stand::take_down_after) waits for the end of the owner
//! and takes the hosts down.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Attempt, Failure, Result};
use crate::ledger::Owner;
use crate::record::create_group;
use crate::sys::disk::Disk;
use crate::sys::stop::StopFlag;

/// The file in which the first run says that it could not raise the hosts, so that the others need not try.
const BROKEN: &str = "hosts-failed.txt";

/// The group that a run belongs to.
#[derive(Debug, Clone)]
pub struct RunGroup {
    /// The name of the group's folder.
    pub name: String,
    /// The process that starts all runs of the group.
    pub owner: Owner,
}

impl RunGroup {
    /// The folder of the group, in which every run makes a folder of its own. `latest` points to it.
    pub(super) fn folder(&self, results: &Path) -> Result<PathBuf> {
        create_group(results, &self.name)
            .attempting(|| format!("make a folder for this run in {}", results.display()))
    }

    /// Raises the hosts or what stands on them, unless an earlier run of the group has failed: this one would fail as well, perhaps
    /// after minutes. `folder` is the group's.
    pub fn raise<T>(folder: &Path, stop: &StopFlag, raise: impl FnOnce() -> Result<T>) -> Result<T> {
        let disk = Disk::of(folder);
        let broken = folder.join(BROKEN);
        let (path, attempted) = (broken.clone(), "read what earlier runs say of the hosts");
        if let Ok(why) =
            disk.within(attempted, move || fs::read_to_string(path).attempting(|| attempted.into()))
        {
            let why = format!("it failed for an earlier scenario of this run:\n{why}");
            return Err(Failure::new("raise the hosts", why).try_next("the same as there, then run again"));
        }
        let raised = raise();
        if let (Err(failure), false) = (&raised, stop.is_set()) {
            // Without this file the other runs try for themselves.
            let (why, attempted) = (failure.to_string(), "tell later runs that the hosts cannot be raised");
            let _ = disk.within(attempted, move || fs::write(broken, why).attempting(|| attempted.into()));
        }
        raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails() -> Result<()> {
        Err(Failure::new("find mmdebstrap", "not there"))
    }

    #[test]
    fn one_failure_to_raise_the_hosts_is_told_to_all() {
        let folder = tempfile::tempdir().unwrap();
        let stop = StopFlag::new();
        assert_eq!(RunGroup::raise(folder.path(), &stop, || Ok(1)).unwrap(), 1);
        let first = RunGroup::raise(folder.path(), &stop, fails).unwrap_err().to_string();
        assert!(!first.contains("earlier"), "{first}");
        let tried_again = || -> Result<()> { unreachable!("it has failed before") };
        let told = RunGroup::raise(folder.path(), &stop, tried_again).unwrap_err().to_string();
        assert!(told.contains("earlier scenario of this run:\ncannot find mmdebstrap: not there"), "{told}");
    }

    #[test]
    fn what_an_interrupt_ended_is_no_failure_of_the_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let stop = StopFlag::new();
        stop.set();
        RunGroup::raise(folder.path(), &stop, fails).unwrap_err();
        assert_eq!(RunGroup::raise(folder.path(), &stop, || Ok(1)).unwrap(), 1);
    }
}
