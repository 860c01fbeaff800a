//! `multivm lab status` and who takes a lab down, with no lab but what a ledger says of one. What needs root is in `as_root`.

use rstest::rstest;

use super::cli;
use super::left::{Owned, describe, leave_a_directory, leave_machines};
use super::program::Cli;

#[rstest]
fn without_a_lab_the_status_says_so(cli: Cli) {
    let said = cli.run("lab status");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    assert!(said.out.starts_with("No lab is up"), "{}", said.out);
    assert!(!cli.state().exists(), "looking leaves nothing");
}

#[rstest]
fn what_a_killed_run_left_is_shown(cli: Cli) {
    let left = leave_a_directory(&cli, false);
    let shown = cli.run("lab status");
    assert!(shown.out.contains("1 directory") && shown.out.contains("multivm reap"), "{}", shown.out);
    assert!(left.exists());
}

#[rstest]
fn a_lab_that_is_up_is_described(cli: Cli) {
    let left = leave_a_directory(&cli, true);
    describe(&left);
    let shown = cli.run("lab status");
    assert!(shown.out.starts_with("The lab is up.") && shown.out.contains("198.18.0.11"), "{}", shown.out);
}

#[rstest]
fn machine_hosts_that_are_up_are_described(cli: Cli) {
    let left = leave_machines(&cli);
    let shown = cli.run("lab status");
    assert!(shown.out.starts_with("The machine hosts are up."), "{}{}", shown.out, shown.err);
    let doctor = format!("multivm doctor --inventory {}", left.join("inventory.toml").display());
    assert!(shown.out.contains("198.18.9.12") && shown.out.contains(&doctor), "{}", shown.out);
}

#[rstest]
fn a_lab_that_is_up_for_a_process_goes_when_it_ends(cli: Cli) {
    let mut owned = Owned::new(&cli);
    let shown = cli.run("lab status");
    let until = format!("It stays up until process {} (sleep) ends", owned.owner.id());
    assert!(shown.out.starts_with("The lab is up.") && shown.out.contains(&until), "{}", shown.out);

    let mut keeper = owned.keeper(&cli);
    // Somebody is still at work when the process ends: that is waited for.
    let lock = multivm::ledger::Lock::take(&cli.state()).unwrap();
    owned.end();
    assert!(owned.lab.exists());
    assert_eq!(keeper.try_wait().unwrap(), None);
    drop(lock);
    assert!(keeper.wait().unwrap().success());
    assert!(!cli.state().exists());
}

#[rstest]
fn without_who_takes_it_down_it_counts_as_left_behind(cli: Cli) {
    let mut owned = Owned::new(&cli);
    owned.end();
    let shown = cli.run("lab status");
    assert!(shown.out.contains("multivm reap"), "{}", shown.out);
}

#[rstest]
fn whoever_looks_is_told_who_is_at_work(cli: Cli) {
    let lock = multivm::ledger::Lock::take(&cli.state()).unwrap();
    let me = format!("process {}", std::process::id());
    assert!(cli.run("lab status").out.contains(&me));
    assert!(cli.run("doctor").out.contains(&me));
    drop(lock);
    assert!(!cli.run("lab status").out.contains(&me));
}
