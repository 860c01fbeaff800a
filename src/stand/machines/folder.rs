//! The folders of running machines.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::machine::Machine;
use crate::failure::{Attempt, Result};
use crate::ledger::{Thing, state_directory};
use crate::stand::{Ground, StandKind};

/// The directory of running machines.
pub(super) fn directory() -> PathBuf {
    StandKind::Machines.directory(&state_directory())
}

/// Creates the directory of running machines, unless that was done before.
pub(super) fn create_directory(Ground { ledger, .. }: Ground<'_>) -> Result<PathBuf> {
    let path = directory();
    let thing = Thing::Directory { path: path.clone() };
    if !ledger.outstanding().contains(&thing) {
        ledger.enter(thing)?;
    }
    fs::create_dir_all(&path).attempting(|| format!("create {}", path.display()))?;
    Ok(path)
}

/// An empty directory for what a running machine writes.
pub(super) fn own_directory(machine: &Machine) -> Result<PathBuf> {
    let path = directory().join(machine.name);
    if path.exists() {
        // A boot for the snapshot has left its console.
        fs::remove_dir_all(&path).attempting(|| format!("remove {}", path.display()))?;
    }
    fs::create_dir_all(&path).attempting(|| format!("create {}", path.display()))?;
    protect(&path)?;
    Ok(path)
}

/// The memory and the disk of a machine are for nobody's eyes.
fn protect(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .attempting(|| format!("protect {}", path.display()))
}
