//! `multivm lab` and `multivm reap`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use multivm::ledger::Owner;
use multivm::sys::process::runs_with;
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};
use procfs::process::{FDInfo, FDTarget, Process, all_processes};

use crate::left::{Owned, describe, leave_a_directory, leave_machines};
use crate::pair::leave_a_host;
use crate::program::Cli;

pub const CASES: [(&str, fn()); 12] = [
    ("without_a_lab_there_is_nothing_to_do", without_a_lab_there_is_nothing_to_do),
    ("what_a_killed_run_left_is_reaped", what_a_killed_run_left_is_reaped),
    ("what_is_not_ours_is_not_reaped", what_is_not_ours_is_not_reaped),
    ("a_state_directory_of_somebody_else_is_untouched", a_state_directory_of_somebody_else_is_untouched),
    ("a_state_directory_that_is_empty_or_ours_is_taken", a_state_directory_that_is_empty_or_ours_is_taken),
    ("a_lab_that_is_up_on_purpose_is_not_reaped", a_lab_that_is_up_on_purpose_is_not_reaped),
    ("machine_hosts_that_are_up_are_no_lab", machine_hosts_that_are_up_are_no_lab),
    ("without_who_takes_it_down_it_is_reaped", without_who_takes_it_down_it_is_reaped),
    ("a_lab_that_is_asked_for_without_an_end_stays", a_lab_that_is_asked_for_without_an_end_stays),
    ("what_lab_up_inherits_ends_with_it", what_lab_up_inherits_ends_with_it),
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

fn a_state_directory_of_somebody_else_is_untouched() {
    for file in ["lab/thesis", "machines/thesis", "pairs/thesis", "lock"] {
        let cli = Cli::new();
        let theirs = cli.state().join(file);
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        fs::write(&theirs, "precious").unwrap();
        for arguments in ["reap", "lab down", "lab up", "lab up --kind machines"] {
            let said = cli.run(arguments);
            assert_eq!(said.code, Some(1), "{arguments}: {}{}", said.out, said.err);
            let told = said.err.contains("which multivm did not make") && said.err.contains("MULTIVM_STATE");
            assert!(told, "{arguments}: {}", said.err);
            assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious", "{arguments}");
            assert_eq!(fs::read_dir(cli.state()).unwrap().count(), 1, "{arguments}");
        }
    }
}

fn a_state_directory_that_is_empty_or_ours_is_taken() {
    let cli = Cli::new();
    fs::create_dir(cli.state()).unwrap();
    let said = cli.run("reap");
    assert_eq!((said.code, &*said.err), (Some(0), ""), "empty");
    // The lab of a multivm that left no mark is up: it stays, and its directory is marked.
    let left = leave_a_directory(&cli, true);
    describe(&left);
    for _ in 0..2 {
        let said = cli.run("reap");
        assert!(said.code == Some(0) && left.exists(), "{}{}", said.out, said.err);
        assert!(cli.state().join(".multivm").is_file());
    }
    assert_eq!(cli.run("lab down").code, Some(0));
    assert!(!cli.state().exists());
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

/// A lock that a script holds by a descriptor. The images cannot be made, so that all that `lab up` leaves is who takes the lab down.
fn what_lab_up_inherits_ends_with_it() {
    let cli = Cli::new();
    let (cache, held) = (cli.place().join("cache"), cli.place().join("held"));
    fs::create_dir_all(cache.join("multivm")).unwrap();
    fs::write(cache.join("multivm/images"), "").unwrap();
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let up = Command::new("sh")
        .args(["-c", "exec 9> \"$0\"; exec \"$@\""])
        .arg(&held)
        .args([env!("CARGO_BIN_EXE_multivm"), "lab", "up", "--until-exit", &owner.id().to_string()])
        .env("MULTIVM_STATE", cli.state())
        .env("MULTIVM_CACHE", &cache)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    let start = Owner::of(owner.id() as i32).unwrap().start;
    let keeper = ["__multivm-keeper".to_owned(), owner.id().to_string(), start.to_string()];
    let (stays, holders) = (runs_with(&keeper), holders(&held));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let gone = || if runs_with(&keeper) { Poll::NotYet("it runs".into()) } else { Poll::Ready(()) };
    wait_for("who takes the lab down to end", Duration::from_secs(60), &StopFlag::new(), gone).unwrap();
    assert!(up.status.code() == Some(1) && held.exists() && stays, "{said}");
    assert_eq!(holders, [0; 0], "{said}");
}

/// The processes that have a file open.
fn holders(file: &Path) -> Vec<i32> {
    let has = |process: &Process| {
        let is_it = |found: FDInfo| matches!(found.target, FDTarget::Path(path) if path == file);
        process.fd().is_ok_and(|mut all| all.any(|found| found.is_ok_and(is_it)))
    };
    all_processes().unwrap().flatten().filter(has).map(|process| process.pid).collect()
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
