//! The command line, as a user types it. No lab is raised, and no lock but one in a temporary directory is taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use multivm::outcome::{Direction, Outcome, Verdict};
use multivm::report::{Event, Record, RunHeader};
use rstest::{fixture, rstest};
use tempfile::TempDir;

/// The program, away from what the machine and the user have: their settings would change what is seen.
struct Cli {
    state: TempDir,
}

#[fixture]
fn cli() -> Cli {
    Cli { state: tempfile::tempdir().unwrap() }
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Cli {
    fn run(&self, arguments: &str) -> Said {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multivm"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MULTIVM_") {
                command.env_remove(name);
            }
        }
        command.env("MULTIVM_STATE", self.state()).envs(variables.iter().copied());
        said(command.args(arguments.split_whitespace()).output().unwrap())
    }

    /// In a directory that multivm may remove, as it does with one that it leaves empty.
    fn state(&self) -> std::path::PathBuf {
        self.state.path().join("state")
    }
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Where sudo would ask for a password in the middle of a test, or is not there.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

// --- doctor

#[rstest]
fn the_doctor_names_every_check(cli: Cli) {
    let said = cli.run("doctor");
    for check in [
        "root",
        "mmdebstrap",
        "ip",
        "unshare",
        "chroot",
        "ssh",
        "ssh-keygen",
        "libvirt client",
        "images",
        "Debian packages",
        "namespaces",
        "tmpfs",
        "overlayfs",
        "network",
        "TUN",
        "userfaultfd",
        "control groups",
        "KVM",
        "CPUs",
        "memory",
        "file handles",
        "disk space",
        "ledger",
        "lock",
    ] {
        let found = said.out.lines().any(|line| line.get(9..).is_some_and(|rest| rest.starts_with(check)));
        assert!(found, "{check} is not in:\n{}", said.out);
    }
    assert!(!said.out.contains('\x1b'), "colours only on a terminal");
    // Whether this machine can is not this test's business; that both ways of telling agree is.
    let (code, verdict) = if said.out.contains("MISSING") { (1, "No lab can") } else { (0, "A lab can") };
    assert_eq!(said.code, Some(code), "{}", said.out);
    assert!(said.out.contains(verdict), "{}", said.out);
}

#[rstest]
fn the_doctor_leaves_nothing(cli: Cli) {
    cli.run("doctor");
    assert!(!cli.state().exists());
}

// --- scenarios

#[rstest]
fn every_scenario_is_listed(cli: Cli) {
    let said = cli.run("scenarios");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let names: Vec<&str> = said.out.lines().collect();
    let golden: Vec<&str> = include_str!("golden/names.txt").lines().collect();
    assert_eq!(names.len(), 328);
    assert!(golden.iter().all(|name| names.contains(name)));
    assert_eq!(said.err, "328 scenarios\n");
}

#[rstest]
#[case::filter("scenarios postcopy_cross::in_vms", 4)]
#[case::filters("scenarios precopy_cross::in_vms postcopy_cross::in_vms", 8)]
#[case::exact("scenarios --exact postcopy_cross::in_vms::stress_cpu", 1)]
#[case::skip("scenarios postcopy_cross::in_vms --skip stress_ng", 2)]
#[case::set("scenarios --set quick", 4)]
#[case::computed_set("scenarios --set smoke", 70)]
#[case::sizes("scenarios --sizing postcopy_cross::in_vms", 4 * 4)]
#[case::one_size("scenarios --sizing set_memory_2", 328)]
#[case::filter_within_a_set("scenarios --set quick postcopy", 2)]
#[case::part("scenarios --shard 1/4", 82)]
#[case::part_of_a_selection("scenarios postcopy_cross --shard 3/4", 13)]
#[case::named_in_full("scenarios --shard 2/2 --exact postcopy_cross::in_vms::stress_cpu", 1)]
fn a_selection_is_listed(cli: Cli, #[case] arguments: &str, #[case] expected: usize) {
    let said = cli.run(arguments);
    assert_eq!((said.out.lines().count(), said.code), (expected, Some(0)), "{}{}", said.out, said.err);
}

#[rstest]
#[case::on("1", 1312)]
#[case::off("0", 328)]
#[case::nothing("", 328)]
fn sizes_are_switched_on_by_a_variable(cli: Cli, #[case] value: &str, #[case] expected: usize) {
    let said = cli.run_with("scenarios", &[("MULTIVM_SIZING", value)]);
    assert_eq!((said.out.lines().count(), said.code), (expected, Some(0)), "{}", said.err);
}

#[rstest]
#[case::a_part("2/4", 82)]
#[case::nothing("", 328)]
fn a_part_is_asked_for_by_a_variable(cli: Cli, #[case] value: &str, #[case] expected: usize) {
    let said = cli.run_with("scenarios", &[("MULTIVM_SHARD", value)]);
    assert_eq!((said.out.lines().count(), said.code), (expected, Some(0)), "{}", said.err);
}

#[rstest]
#[case::none("scenarios --sets", &[], "all")]
#[case::argument("scenarios --sets --set smoke", &[], "smoke")]
#[case::variable("scenarios --sets", &[("MULTIVM_SET", "quick")], "quick")]
fn the_sets_are_listed(
    cli: Cli,
    #[case] arguments: &str,
    #[case] variables: &[(&str, &str)],
    #[case] selected: &str,
) {
    let said = cli.run_with(arguments, variables);
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let lines: Vec<&str> = said.out.lines().collect();
    for (line, start) in
        lines.iter().zip(["all     328  Every ", "quick     4  Both ", "smoke    70  Every pair "])
    {
        assert!(line.starts_with(start), "{line}");
        assert_eq!(line.ends_with(". (selected)"), line.starts_with(selected), "{line}");
    }
    assert_eq!(lines.len(), 3);
}

#[rstest]
#[case("explain postcopy_cross::in_vms::stress_memory")]
#[case("scenarios --explain postcopy_cross::in_vms::stress_memory")]
fn a_scenario_is_explained_with_what_the_environment_says(cli: Cli, #[case] arguments: &str) {
    let said = cli.run_with(arguments, &[("MULTIVM_GUESTS", "2")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for part in ["Fleet: 2 guests", "1. guest 2 goes out alone", "VIR_MIGRATE_POSTCOPY", "no reboot"] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
}

#[rstest]
fn a_budget_is_explained(cli: Cli) {
    let own = cli.state.path().join("own.toml");
    let package = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("scenarios.toml");
    let budget = "[[budget]]\nwhen = { mode = [\"postcopy\"] }\nmax_downtime = \"500ms\"\nreason = \"clients give up\"\n";
    fs::write(&own, fs::read_to_string(package).unwrap() + budget).unwrap();
    let explain = |name: &str| {
        cli.run_with(&format!("explain {name}"), &[("MULTIVM_SCENARIOS", own.to_str().unwrap())])
    };
    let said = explain("postcopy_cross::in_vms::stress_memory");
    let line = "Budget of every migration: downtime at most 500ms (clients give up).\n";
    assert!(said.out.ends_with(line), "{}{}", said.out, said.err);
    assert!(!explain("precopy_cross::in_vms::stress_memory").out.contains("Budget"));
}

// --- compare

/// A record with eight scenarios; each has legs of this total time, and of the last one it is known how it ended.
fn played(cli: &Cli, name: &str, total_s: f64, last: Verdict) -> PathBuf {
    let folder = cli.state.path().join(name);
    fs::create_dir(&folder).unwrap();
    let mut header = RunHeader::new(name, ["multivm".to_owned()]);
    header.profile = serde_json::json!({"guests": 3});
    let record = Record::create(&folder, header).unwrap();
    let write = |event: &Event| record.write(event).unwrap();
    for number in 0..8 {
        let scenario = format!("precopy_orderly::in_vms::load_{number}");
        write(&Event::ScenarioStarted { scenario: scenario.clone() });
        for leg in 0..6 {
            write(&Event::LegFinished {
                scenario: scenario.clone(),
                guest: format!("vm{leg}"),
                round: 1,
                direction: Direction::Out,
                step: 1,
                ok: true,
                error: None,
                began_t_ms: None,
                duration_s: total_s * (1.0 + f64::from((7 * number + 3 * leg) % 5) / 10.0),
                stats: serde_json::json!({"downtime_ms": 80 + leg, "data_processed_bytes": 200_000_000 + leg}),
                switchover_s: None,
            });
        }
        let verdict = if number == 7 { last } else { Verdict::Passed };
        write(&Event::ScenarioFinished(Outcome::new(&scenario, verdict, SystemTime::UNIX_EPOCH)));
    }
    write(&Event::RunFinished { passed: 8, failed: 0, ignored: 0, errors: 0, duration_s: 60.0 });
    folder
}

#[rstest]
#[case::same(2.1, Verdict::Passed, 0, "No regression.\n")]
#[case::slow(
    20.0,
    Verdict::Passed,
    1,
    "REGRESSION: total time is worse in precopy_orderly, all, and in 8 scenarios.\n"
)]
#[case::failing(2.0, Verdict::Failed, 1, "REGRESSION: 1 scenario that passed fails.\n")]
fn two_runs_are_compared(
    cli: Cli,
    #[case] total_s: f64,
    #[case] last: Verdict,
    #[case] code: i32,
    #[case] headline: &str,
) {
    let base = played(&cli, "base", 2.0, Verdict::Passed);
    let new = played(&cli, "new", total_s, last);
    let arguments = format!("compare {} {}", base.display(), new.join("record.jsonl").display());
    let said = cli.run(&arguments);
    assert_eq!((said.code, &*said.err), (Some(code), ""));
    for part in
        [headline, "BASE base (", "NEW  new (", "Neither record has downtime events", "Wilcoxon", "82.5 ms"]
    {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
    assert!(said.out.starts_with(headline), "{}", said.out);

    let json = cli.run(&format!("{arguments} --format json"));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json["version"].as_u64(), json["regression"].as_bool()), (Some(1), Some(code == 1)));
    assert_eq!(json["scenarios"].as_array().unwrap().len(), 8);
    assert_eq!(json["scenarios"][0]["measured"][0]["base"]["max"], 85.0);

    let page = cli.state.path().join("compare.html");
    let html = cli.run(&format!("{arguments} --format html --output {}", page.display()));
    assert_eq!((html.code, &*html.out), (Some(code), headline));
    assert!(fs::read_to_string(page).unwrap().starts_with("<!doctype html>"));
}

#[rstest]
fn runs_of_different_profiles_are_compared_with_a_warning(cli: Cli) {
    let base = played(&cli, "base", 2.0, Verdict::Passed);
    let new = played(&cli, "new", 2.0, Verdict::Passed);
    let path = new.join("record.jsonl");
    let text = fs::read_to_string(&path).unwrap().replace(r#"{"guests":3}"#, r#"{"guests":9}"#);
    fs::write(&path, text).unwrap();
    let said = cli.run(&format!("compare {} {}", base.display(), new.display()));
    assert!(said.out.contains("THE PROFILES DIFFER") && said.out.contains("guests: 3 -> 9"), "{}", said.out);
}

/// Status 1 is for regressions alone: `git bisect` must not take anything else for one.
#[rstest]
#[case::nothing("compare /nowhere BASE", "/nowhere")]
#[case::no_record("compare BASE EMPTY", "no run_started event")]
#[case::nothing_in_common("compare BASE OTHER", "no scenario in common")]
#[case::cannot_be_written("compare BASE BASE --output /nowhere/x", "/nowhere/x")]
#[case::form("compare BASE BASE --format xml", "text, json, html")]
fn what_cannot_be_compared_is_bad_input(cli: Cli, #[case] arguments: &str, #[case] told: &str) {
    let base = played(&cli, "base", 2.0, Verdict::Passed).display().to_string();
    let empty = cli.state.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    let other = cli.state.path().join("other");
    fs::create_dir(&other).unwrap();
    Record::create(&other, RunHeader::new("other", [])).unwrap();
    let arguments = arguments.replace("BASE", &base).replace("EMPTY", empty.to_str().unwrap());
    let said = cli.run(&arguments.replace("OTHER", other.to_str().unwrap()));
    assert_eq!((said.code, &*said.out), (Some(2), ""), "{}", said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
}

// --- Bad input

#[rstest]
#[case::typing_mistake("explain postcopy_cros::in_vms::stress_cpu", &[], "did you mean `postcopy_cross::in_vms::stress_cpu`?")]
#[case::not_a_name("explain everything", &[], "{mode}_{order}::{where}::{what}")]
#[case::left_out("explain precopy_compressed::in_vms::stress_cpu", &[], "compression is run under one load")]
#[case::filter("scenarios postcopy_crss", &[], "did you mean `postcopy_cross`?")]
#[case::filter_in_exact("scenarios --exact postcopy_cross", &[], "whose name is `postcopy_cross`")]
#[case::set("scenarios --set fast", &[], "`all`, `quick`")]
#[case::set_by_variable("scenarios", &[("MULTIVM_SET", "fast")], "`all`, `quick`")]
#[case::profile("explain --profile big postcopy_cross::in_vms::stress_cpu", &[], "`lab`, `reference`")]
#[case::profile_by_variable("doctor", &[("MULTIVM_PROFILE", "big")], "`lab`, `reference`")]
#[case::profile_variable("doctor", &[("MULTIVM_GUESTS", "many")], "a whole number from 1 to 200")]
#[case::size_of_guests("scenarios", &[("MULTIVM_SIZING", "on")], "MULTIVM_SIZING: 1 (on), 0 (off)")]
#[case::shard("scenarios --shard 5/4", &[], "PART/PARTS, as 1/4 to 4/4")]
#[case::shard_by_variable("scenarios", &[("MULTIVM_SHARD", "half")], "PART/PARTS, as 1/4 to 4/4")]
#[case::suite("doctor", &[("MULTIVM_SUITE", "sid")], "trixie")]
#[case::up_with_a_wrong_suite("lab up", &[("MULTIVM_SUITE", "sid")], "trixie")]
#[case::size("reap", &[("MULTIVM_HOST_SIZE", "2")], "CPUs:memory")]
#[case::machine("lab ssh vm0", &[], "vm1 to vm254")]
#[case::end_of_nobody("lab up --until-exit 0", &[], "the pid of a process that runs")]
#[case::end_of_nothing("lab up --until-exit x", &[], "the pid of a process that runs")]
#[case::merge_of_nothing("merge /nowhere --output /nowhere/else", &[], "/nowhere")]
#[case::merge_to_nowhere("merge /nowhere", &[], "--output")]
#[case::sets_with_a_filter("scenarios --sets cross", &[], "cannot be used with")]
#[case::command("raise", &[], "Usage:")]
#[case::file("scenarios --file /nowhere.toml", &[], "/nowhere.toml")]
#[case::file_by_variable("scenarios", &[("MULTIVM_SCENARIOS", "/nowhere.toml")], "/nowhere.toml")]
fn a_mistake_is_told_and_nothing_is_touched(
    cli: Cli,
    #[case] arguments: &str,
    #[case] variables: &[(&str, &str)],
    #[case] told: &str,
) {
    let said = cli.run_with(arguments, variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    assert_eq!(said.out, "");
    assert!(!cli.state().exists());
}

#[rstest]
fn a_file_of_ones_own_is_read(cli: Cli) {
    let own = cli.state.path().join("own.toml");
    let package = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("scenarios.toml");
    let text =
        fs::read_to_string(package).unwrap().replace("mode = [\"precopy\", \"postcopy\"]", "mode = [\"x\"]");
    fs::write(&own, text).unwrap();
    let said = cli.run_with("scenarios", &[("MULTIVM_SCENARIOS", own.to_str().unwrap())]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("own.toml:") && said.err.contains("`precopy`, `postcopy`"), "{}", said.err);
}

// --- lab and reap

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
fn leave_a_directory(cli: &Cli, kept: bool) -> std::path::PathBuf {
    leave(cli, if kept { "{\"line\":\"kept\"}\n" } else { "" })
}

fn leave(cli: &Cli, kept: &str) -> std::path::PathBuf {
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
    lab: std::path::PathBuf,
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

// --- merge

fn record(folder: &Path, scenario: &str, ended: bool) {
    use multivm::outcome::{Outcome, Verdict};
    use multivm::report::{Event, Record, RunHeader};
    fs::create_dir_all(folder).unwrap();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let record = Record::create(folder, RunHeader::new(name, ["migration".to_owned()])).unwrap();
    record.write(&Event::ScenarioStarted { scenario: scenario.into() }).unwrap();
    if ended {
        let outcome = Outcome::new(scenario, Verdict::Passed, std::time::SystemTime::now());
        record.write(&Event::ScenarioFinished(outcome)).unwrap();
        record
            .write(&Event::RunFinished { passed: 1, failed: 0, ignored: 0, errors: 0, duration_s: 1.0 })
            .unwrap();
    }
}

#[rstest]
fn parts_become_one_run(cli: Cli) {
    let root = cli.state.path();
    record(&root.join("one"), "precopy_cross::in_vms::stress_cpu", true);
    record(&root.join("two"), "precopy_cross::in_vms::stress_cpu", false);
    let merged = root.join("merged");
    let arguments =
        format!("merge {0}/one {0}/two/record.jsonl --output {1}", root.display(), merged.display());
    let said = cli.run(&arguments);
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{}", said.out);
    for part in [
        "2 scenarios of 2 parts, in ",
        "two: cut off",
        "two: has again what an earlier part has: precopy_cross::",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
    for file in ["record.jsonl", "junit.xml", "report.html"] {
        assert!(merged.join(file).is_file(), "{file}");
    }

    let again = cli.run(&arguments);
    assert_eq!(again.code, Some(2), "{}", again.out);
    assert!(again.err.contains("cannot create the record"), "{}", again.err);
}

/// What the processes of a run of nextest leave: a folder of each, in one.
#[rstest]
fn a_folder_of_parts_is_one_run(cli: Cli) {
    let group = cli.state.path().join("nextest-1");
    record(&group.join("one"), "precopy_cross::in_vms::stress_cpu", true);
    record(&group.join("two"), "postcopy_cross::in_vms::stress_cpu", true);
    for (command, file) in [("report", "report.html"), ("junit", "junit.xml")] {
        let said = cli.run(&format!("{command} {}", group.display()));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let text = fs::read_to_string(group.join(file)).unwrap();
        for name in ["precopy_cross::in_vms::stress_cpu", "postcopy_cross::in_vms::stress_cpu"] {
            assert!(text.contains(name), "{name} is not in {file}");
        }
    }
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

// --- watch

/// A run in the results folder: of process `writer`, in which one scenario passed and another began; whole if its
/// verdict is given.
fn leave_a_run(results: &Path, writer: u32, verdict: Option<Verdict>) -> std::path::PathBuf {
    let folder = results.join(format!("20260102T030405Z-{writer}"));
    fs::create_dir_all(&folder).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut header = RunHeader::new(name, ["migration".to_owned()]);
    header.scenarios = Some(2);
    let record = Record::create(&folder, header).unwrap();
    let outcome = |scenario: &str, verdict| {
        let mut outcome = Outcome::new(scenario, verdict, std::time::SystemTime::now());
        outcome.duration = std::time::Duration::from_secs(10);
        outcome.reason = (verdict != Verdict::Passed).then(|| "the lab is gone".to_owned());
        Event::ScenarioFinished(outcome)
    };
    let mut events = vec![
        Event::ScenarioStarted { scenario: "precopy_cross::a".into() },
        outcome("precopy_cross::a", Verdict::Passed),
        Event::ScenarioStarted { scenario: "precopy_cross::b".into() },
    ];
    if let Some(verdict) = verdict {
        events.push(outcome("precopy_cross::b", verdict));
        let failed = u32::from(verdict == Verdict::Failed);
        events.push(Event::RunFinished {
            passed: 2 - failed,
            failed,
            ignored: 0,
            errors: 0,
            duration_s: 21.0,
        });
    }
    events.iter().for_each(|event| record.write(event).unwrap());
    folder
}

/// The number of a process that has ended.
fn ended_process() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[rstest]
#[case::good(Some(Verdict::Passed), 0, "finished after 0:21; 2 passed\nRecord, JUnit and evidence are in ")]
#[case::failed(Some(Verdict::Failed), 1, "finished after 0:21; 1 passed, 1 failed\n")]
#[case::cut_off(
    None,
    1,
    "The run was cut off: its record has no end, and its process PID is not on this machine"
)]
fn a_run_that_is_over_is_shown(
    cli: Cli,
    #[case] verdict: Option<Verdict>,
    #[case] code: i32,
    #[case] told: &str,
    #[values("watch --once", "watch")] command: &str,
) {
    let results = cli.state.path().join("results");
    let writer = ended_process();
    let folder = leave_a_run(&results, writer, verdict);
    let told = told.replace("PID", &writer.to_string());
    // In a pipe the line about the end begins with its time.
    let told = if command == "watch" { told.replace("0:21; ", "0:21: ") } else { told };
    let said = cli.run(&format!("{command} {}", folder.display()));
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    assert!(said.out.contains(&told), "{told} is not in:\n{}", said.out);
    assert!(!said.out.contains('\x1b') && !said.out.contains('\x0b'), "{:?}", said.out);
    let failure = "2/2 precopy_cross::b FAILED after 10.0 s: the lab is gone";
    assert_eq!(said.out.contains(failure), verdict == Some(Verdict::Failed), "{}", said.out);
    assert_eq!(said.out.contains("1/2 precopy_cross::a passed"), command == "watch", "{}", said.out);
    assert!(!cli.state().exists());
}

#[rstest]
fn a_run_that_goes_on_is_shown_once(cli: Cli) {
    let results = cli.state.path().join("results");
    let folder = leave_a_run(&results, std::process::id(), None);
    // Its header says that it began just now, when this process was there already.
    std::os::unix::fs::symlink(folder.file_name().unwrap(), results.join("latest")).unwrap();
    let said = cli.run_with("watch --once", &[("MULTIVM_RESULTS", results.to_str().unwrap())]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    for part in [
        "[##########..........]  scenario 2 of 2, 0:",
        "; 1 passed; ",
        "precopy_cross::b\n",
        "The run goes on",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
}

#[rstest]
fn a_run_is_named_in_short(cli: Cli) {
    let results = cli.state.path().join("results");
    let folder = leave_a_run(&results, ended_process(), Some(Verdict::Passed));
    let name = folder.file_name().unwrap().to_str().unwrap();
    for named in [name.to_owned(), format!("{name}/record.jsonl")] {
        let said = cli.run(&format!("watch --once --results {} {named}", results.display()));
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    }
}

#[rstest]
fn a_run_that_is_not_there_is_bad_input(cli: Cli) {
    let results = cli.state.path().join("results");
    let variables = [("MULTIVM_RESULTS", results.to_str().unwrap())];
    for (arguments, told) in [
        ("watch", "results/latest\n"),
        ("watch --once 2026", "there is no run "),
        ("watch --once", "cargo test starts one"),
    ] {
        let said = cli.run_with(arguments, &variables);
        assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
        assert!(said.err.contains(told) && said.out.is_empty(), "{}", said.err);
    }
    let folder = leave_a_run(&results, 1, None);
    let said = cli.run_with("watch", &variables);
    assert!(said.err.contains(folder.file_name().unwrap().to_str().unwrap()), "{}", said.err);
    // A folder without a record, and a record that is none.
    fs::remove_file(folder.join("record.jsonl")).unwrap();
    let said = cli.run(&format!("watch {}", folder.display()));
    assert!(said.code == Some(2) && said.err.contains("cannot open the record"), "{}", said.err);
    fs::write(folder.join("record.jsonl"), "nonsense\n").unwrap();
    let said = cli.run(&format!("watch {}", folder.display()));
    assert!(said.code == Some(2) && said.err.contains("cannot read line 1 of the record"), "{}", said.err);
}

// --- README.md

#[test]
fn the_readme_names_every_variable() {
    use multivm::{inventory::Settings, ledger, scenario};
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let readme = fs::read_to_string(Path::new(&package).join("README.md")).unwrap();
    let settings = Settings::VARIABLES.iter().map(|(name, _)| (*name).to_owned());
    let profile = scenario::Profile::variables().map(|(name, _)| name);
    let others = [
        scenario::FILE_VARIABLE,
        scenario::SHARD_VARIABLE,
        scenario::SIZING_VARIABLE,
        ledger::STATE_VARIABLE,
    ]
    .map(str::to_owned);
    for name in settings.chain(profile).chain(others) {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in README.md");
    }
}
