//! The command that this process belongs to: cargo, or cargo-nextest.

use std::time::Duration;

use procfs::{Current, Uptime};

use super::ancestors::ancestors;
use super::nextest;
use crate::ledger::Owner;
use crate::sys::process;

/// Whether nextest lists the scenarios because it will run some: none of our processes learns how many.
pub(super) fn nextest_is_about_to_run() -> bool {
    let parent = nix::unistd::getppid().as_raw();
    let Some((pid, _)) = ancestors(parent).find(|(_, name)| name == nextest::PROGRAM) else { return false };
    process::arguments(pid).iter().any(|word| word == "run" || word == "r")
}

/// The age of the command that this process belongs to: cargo's if cargo is its parent, otherwise its own.
pub(super) fn age() -> Duration {
    let mut above = ancestors(std::process::id() as i32).skip(1).filter(|(_, name)| name != "sudo");
    let cargo = above.next().filter(|(_, name)| name == "cargo" || name == nextest::PROGRAM);
    age_of(cargo.map_or(std::process::id() as i32, |(pid, _)| pid)).unwrap_or_default()
}

/// The age of a process.
fn age_of(pid: i32) -> Option<Duration> {
    let started = Owner::of(pid)?.start as f64 / procfs::ticks_per_second() as f64;
    Duration::try_from_secs_f64(Uptime::current().ok()?.uptime - started).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_older() {
        let (mine, parents) =
            (age_of(std::process::id() as i32).unwrap(), age_of(nix::unistd::getppid().as_raw()));
        assert!(parents.unwrap() >= mine && mine < Duration::from_secs(3600));
        assert!(age() >= mine);
    }
}
