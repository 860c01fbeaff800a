//! `multivm lab` and `multivm reap`.

use std::fs;

use crate::left::{Owned, describe, leave_a_directory, leave_machines};
use crate::pair::leave_a_host;
use crate::program::Cli;

pub const CASES: [(&str, fn()); 9] = [
    ("without_a_lab_there_is_nothing_to_do", without_a_lab_there_is_nothing_to_do),
    ("what_a_killed_run_left_is_reaped", what_a_killed_run_left_is_reaped),
    ("what_is_not_ours_is_not_reaped", what_is_not_ours_is_not_reaped),
    ("a_lab_that_is_up_on_purpose_is_not_reaped", a_lab_that_is_up_on_purpose_is_not_reaped),
    ("machine_hosts_that_are_up_are_no_lab", machine_hosts_that_are_up_are_no_lab),
    ("without_who_takes_it_down_it_is_reaped", without_who_takes_it_down_it_is_reaped),
    ("a_lab_that_is_asked_for_without_an_end_stays", a_lab_that_is_asked_for_without_an_end_stays),
    ("one_run_at_a_time", one_run_at_a_time),
    ("a_host_that_is_gone_for_good_is_forgotten", a_host_that_is_gone_for_good_is_forgotten),
];

fn without_a_lab_there_is_nothing_to_do() {
    for (arguments, code, told) in [
        ("lab ssh source", 1, "multivm lab up"),
        ("lab down", 0, "No lab is up"),
        ("reap", 0, "Nothing is left"),
    ] {
        let cli = Cli::new();
        let said = cli.run(arguments);
        assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
        assert!(format!("{}{}", said.out, said.err).contains(told), "{}{}", said.out, said.err);
        assert!(!cli.state().exists(), "nothing is left in the state directory");
    }
}

fn what_a_killed_run_left_is_reaped() {
    let cli = Cli::new();
    leave_a_directory(&cli, false);
    let said = cli.run("reap");
    assert_eq!((said.code, &*said.out), (Some(0), "Cleared: 1 directory.\n"), "{}", said.err);
    assert!(!cli.state().exists());
    assert!(cli.run("reap").out.contains("Nothing is left"));
}

fn a_host_that_is_gone_for_good_is_forgotten() {
    let cli = Cli::new();
    leave_a_host(&cli.state().join("pairs/kvm1-kvm2"), "kvm1", serde_json::Value::Null);
    let unknown = cli.run("reap --forget kvm3");
    assert_eq!(unknown.code, Some(2), "{}", unknown.out);
    assert!(unknown.err.contains("no ledger here has changes of a host kvm3"), "{}", unknown.err);
    let said = cli.run("reap --forget kvm1");
    assert_eq!(said.code, Some(0), "{}", said.err);
    for expected in
        ["not undone on kvm1", "changes of the source by the run R1", "sh /var/lib/multivm/lease/undo"]
    {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    let after = cli.run("reap");
    assert!(after.out.contains("Nothing is left"), "{}{}", after.out, after.err);
}

fn what_is_not_ours_is_not_reaped() {
    let cli = Cli::new();
    let foreign = cli.place().join("multivm/photos");
    fs::create_dir_all(&foreign).unwrap();
    fs::create_dir_all(cli.state()).unwrap();
    let thing = serde_json::json!({"kind": "directory", "path": foreign});
    let line = serde_json::json!({"line": "entered", "id": 1, "thing": thing});
    fs::write(cli.state().join("ledger.jsonl"), format!("{line}\n")).unwrap();
    let said = cli.run("reap");
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("remove it and its line in the ledger by hand"), "{}", said.err);
    assert!(foreign.exists());
}

fn a_lab_that_is_up_on_purpose_is_not_reaped() {
    let cli = Cli::new();
    let left = leave_a_directory(&cli, true);
    describe(&left);
    let reap = cli.run("reap");
    assert_eq!(reap.code, Some(0), "{}", reap.err);
    assert!(reap.out.contains("multivm lab down"), "{}", reap.out);
    assert!(left.exists());
    let again = cli.run("lab up");
    assert!(again.out.starts_with("The lab is up already."), "{}{}", again.out, again.err);
    let down = cli.run("lab down");
    assert_eq!((down.code, &*down.out), (Some(0), "The lab is down. Gone: 1 directory.\n"), "{}", down.err);
    assert!(!cli.state().exists());
}

fn machine_hosts_that_are_up_are_no_lab() {
    let cli = Cli::new();
    let left = leave_machines(&cli);
    for (arguments, code, told) in [
        ("lab up", 1, "the machine hosts are up"),
        ("lab ssh source", 1, "the machine hosts are up instead"),
        ("reap", 0, "The machine hosts are up on purpose"),
        ("lab up --kind machines", 0, "The machine hosts are up already"),
    ] {
        let said = cli.run(arguments);
        let words = format!("{}{}", said.out, said.err);
        assert!(said.code == Some(code) && words.contains(told), "{arguments}: {words}");
        assert!(left.exists());
    }
    let down = cli.run("lab down");
    assert_eq!(
        (down.code, &*down.out),
        (Some(0), "The machine hosts are down. Gone: 1 directory.\n"),
        "{}",
        down.err
    );
    assert!(!cli.state().exists());
}

fn without_who_takes_it_down_it_is_reaped() {
    let cli = Cli::new();
    let mut owned = Owned::new(&cli);
    owned.end();
    assert_eq!(cli.run("reap").out, "Cleared: 1 directory.\n");
    assert!(!cli.state().exists());
}

fn a_lab_that_is_asked_for_without_an_end_stays() {
    let cli = Cli::new();
    let mut owned = Owned::new(&cli);
    let again = cli.run(&format!("lab up --until-exit {}", owned.owner.id()));
    assert!(again.out.starts_with("The lab is up already, until process "), "{}{}", again.out, again.err);
    let up = cli.run("lab up");
    assert!(up.out.starts_with("The lab is up already, and stays up now."), "{}{}", up.out, up.err);
    let mut keeper = owned.keeper(&cli);
    owned.end();
    assert!(keeper.wait().unwrap().success());
    assert!(owned.lab.exists());
    assert!(!cli.run("lab status").out.contains("stays up until"));
}

/// The lock of a run that is under way: every command that would change something is refused, and told by whom.
fn one_run_at_a_time() {
    let cli = Cli::new();
    let _lock = multivm::ledger::Lock::take(&cli.state()).unwrap();
    let me = format!("process {}", std::process::id());
    for arguments in ["reap", "lab up", "lab down"] {
        let said = cli.run(arguments);
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert!(said.err.contains(&me), "{}", said.err);
    }
}
