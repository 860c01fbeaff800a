//! `multivm lab` and `multivm reap`, with no lab but what a ledger says of one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use super::{Cli, cli, is_root};

#[rstest]
fn without_a_lab_the_status_says_so(cli: Cli) {
    let said = cli.run("lab status");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    assert!(said.out.starts_with("No lab is up"), "{}", said.out);
    assert!(!cli.state().exists(), "looking leaves nothing");
}

#[rstest]
#[case("lab ssh source", 1, "multivm lab up")]
#[case("lab down", 0, "No lab is up")]
#[case("reap", 0, "Nothing is left")]
fn without_a_lab_there_is_nothing_to_do(
    cli: Cli,
    #[case] arguments: &str,
    #[case] code: i32,
    #[case] told: &str,
) {
    if !is_root() {
        return;
    }
    let said = cli.run(arguments);
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    assert!(format!("{}{}", said.out, said.err).contains(told), "{}{}", said.out, said.err);
    assert!(!cli.state().exists(), "nothing is left in the state directory");
}

/// A ledger as a killed run leaves it: the directory is there, and nobody holds the lock.
fn leave_a_directory(cli: &Cli, kept: bool) -> PathBuf {
    leave(cli, if kept { "{\"line\":\"kept\"}\n" } else { "" })
}

fn leave(cli: &Cli, kept: &str) -> PathBuf {
    let left = cli.state().join("lab");
    fs::create_dir_all(left.join("deep")).unwrap();
    let mut lines = format!(
        "{{\"line\":\"entered\",\"id\":1,\"thing\":{{\"kind\":\"directory\",\"path\":\"{}\"}}}}\n",
        left.display()
    );
    lines.push_str(kept);
    fs::write(cli.state().join("ledger.jsonl"), lines).unwrap();
    left
}

#[rstest]
fn what_a_killed_run_left_is_shown_then_reaped(cli: Cli) {
    let left = leave_a_directory(&cli, false);
    let shown = cli.run("lab status");
    assert!(shown.out.contains("1 directory") && shown.out.contains("multivm reap"), "{}", shown.out);
    assert!(left.exists());
    if !is_root() {
        return;
    }
    let said = cli.run("reap");
    assert_eq!((said.code, &*said.out), (Some(0), "Cleared: 1 directory.\n"), "{}", said.err);
    assert!(!cli.state().exists());
    assert!(cli.run("reap").out.contains("Nothing is left"));
}

/// Writes the inventory of a lab that is up.
fn describe(lab: &Path) {
    let inventory = r#"{
        "source": {"name": "source", "login": LOGIN, "cpu_percent": 200, "memory": 4294967296, "uri": "test:///default", "facts": {"suite": "trixie"}},
        "target": {"name": "target", "login": LOGIN, "cpu_percent": 200, "memory": 4294967296, "uri": "test:///default", "facts": {}},
        "storage": {"name": "storage", "login": LOGIN, "server": "198.18.0.1", "export": "/export", "base_image": "b"},
        "guests": {"kernel": "k", "initramfs": "i", "bridge": "br0", "address_prefix": "198.18.1", "netmask": "n",
                   "gateway": "g", "key": "k", "public_key": "p", "known_hosts": "h", "host_key": "k"},
        "accelerator": {"kind": "tcg", "reason": "for a test"}
    }"#
    .replace("LOGIN", r#"{"address": "198.18.0.11", "port": 22, "user": "root", "key": "k", "known_hosts": "h"}"#);
    fs::write(lab.join("inventory.json"), inventory).unwrap();
}

#[rstest]
fn a_lab_that_is_up_on_purpose_is_not_reaped(cli: Cli) {
    let left = leave_a_directory(&cli, true);
    describe(&left);

    let shown = cli.run("lab status");
    assert!(shown.out.starts_with("The lab is up.") && shown.out.contains("198.18.0.11"), "{}", shown.out);
    if !is_root() {
        return;
    }
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

/// A process that lives until it is ended, and a lab that is up for as long.
struct Owned {
    owner: std::process::Child,
    lab: PathBuf,
}

impl Owned {
    fn new(cli: &Cli) -> Owned {
        let owner = Command::new("sleep").arg("600").spawn().unwrap();
        let start = multivm::ledger::start_time(owner.id() as i32).unwrap();
        let until = format!("{{\"line\":\"kept\",\"until\":{{\"pid\":{},\"start\":{start}}}}}\n", owner.id());
        let lab = leave(cli, &until);
        describe(&lab);
        Owned { owner, lab }
    }

    /// Starts who takes the lab down when the process ends, and waits until it is ready.
    fn keeper(&self, cli: &Cli) -> std::process::Child {
        let start = multivm::ledger::start_time(self.owner.id() as i32).unwrap();
        let mut keeper = Command::new(env!("CARGO_BIN_EXE_multivm"))
            .args(["__multivm-keeper", &self.owner.id().to_string(), &start.to_string()])
            .env("MULTIVM_STATE", cli.state())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(keeper.stdout.take().unwrap()), &mut said)
            .unwrap();
        assert_eq!(said, "ready\n");
        keeper
    }

    fn end(&mut self) {
        self.owner.kill().unwrap();
        self.owner.wait().unwrap();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Gone already in most tests.
        let _ = self.owner.kill();
        let _ = self.owner.wait();
    }
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
    if is_root() {
        assert_eq!(cli.run("reap").out, "Cleared: 1 directory.\n");
        assert!(!cli.state().exists());
    }
}

#[rstest]
fn a_lab_that_is_asked_for_without_an_end_stays(cli: Cli) {
    if !is_root() {
        return;
    }
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
#[rstest]
fn one_run_at_a_time(cli: Cli) {
    let lock = multivm::ledger::Lock::take(&cli.state()).unwrap();
    let me = format!("process {}", std::process::id());
    assert!(cli.run("lab status").out.contains(&me));
    assert!(cli.run("doctor").out.contains(&me));
    if is_root() {
        for arguments in ["reap", "lab up", "lab down"] {
            let said = cli.run(arguments);
            assert_eq!(said.code, Some(1), "{}", said.out);
            assert!(said.err.contains(&me), "{}", said.err);
        }
    }
    drop(lock);
    assert!(!cli.run("lab status").out.contains(&me));
}
