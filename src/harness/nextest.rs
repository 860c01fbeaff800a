//! cargo-nextest, which makes every scenario a process of its own. The runs of all these processes are one
//! [group](RunGroup).

use super::ancestors::ancestors;
use crate::ledger::Owner;
use crate::run::RunGroup;

/// The kernel's name for cargo-nextest.
pub(super) const PROGRAM: &str = "cargo-nextest";

/// The group of the nextest that started this process; none if nextest did not start it.
pub(super) fn group() -> Option<RunGroup> {
    // nextest's own UUID for its run.
    let id = std::env::var("NEXTEST_RUN_ID").ok()?;
    // The id becomes the name of a folder.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return None;
    }
    Some(RunGroup { name: format!("nextest-{id}"), owner: owner(nix::unistd::getppid().as_raw())? })
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
}
