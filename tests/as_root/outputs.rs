//! Results that cannot be written: refused with exit status 2, before anything is started.

use std::fs;
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use multivm::sys::process::living;
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};

use crate::frozen::FrozenDisk;
use crate::program::{Cli, Said};

/// The longest time for a run that can play nothing, because nobody answers it.
const LIMIT: Duration = Duration::from_secs(30);

pub const CASES: [(&str, fn()); 9] = [
    ("an_unusable_junit_file_is_refused", an_unusable_junit_file_is_refused),
    ("an_unusable_junit_variable_is_refused", an_unusable_junit_variable_is_refused),
    ("an_unusable_results_folder_is_refused", an_unusable_results_folder_is_refused),
    ("a_full_disk_is_refused", a_full_disk_is_refused),
    ("what_cannot_be_replaced_is_refused", what_cannot_be_replaced_is_refused),
    ("a_disk_that_nobody_may_write_to_is_refused", a_disk_that_nobody_may_write_to_is_refused),
    ("what_nobody_reads_is_not_waited_for", what_nobody_reads_is_not_waited_for),
    ("a_results_folder_that_hangs_is_refused", a_results_folder_that_hangs_is_refused),
    ("without_a_reader_the_machine_is_given_back", without_a_reader_the_machine_is_given_back),
];

fn an_unusable_junit_file_is_refused() {
    let cli = Cli::new();
    let said = play(&cli, "--junit /proc/no/such.xml", &[]);
    refused(&cli, &said, "cannot write JUnit to /proc/no/such.xml");
}

fn an_unusable_junit_variable_is_refused() {
    let cli = Cli::new();
    let folder = cli.place().display().to_string();
    let said = play(&cli, "", &[("MULTIVM_JUNIT", &folder)]);
    refused(&cli, &said, "it is a folder");
}

fn an_unusable_results_folder_is_refused() {
    let cli = Cli::new();
    let file = cli.results();
    fs::write(&file, "").unwrap();
    let said = play(&cli, "", &[]);
    refused(&cli, &said, "is not a folder");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}

/// Plays with a JUnit file in a folder `ground`, on which commands of a shell were run.
fn refused_on(ground: &str, why: &str) {
    let cli = Cli::new();
    let folder = cli.place().join("ground");
    fs::create_dir(&folder).unwrap();
    let ground = format!("cd {} && {ground} && cd /", folder.display());
    let junit = folder.join("junit.xml");
    let said = cli.play_on(&ground, SCENARIO, &[("MULTIVM_JUNIT", junit.to_str().unwrap())]);
    // What can neither be changed nor removed would stay for ever.
    let free = ["-type", "f,d", "-exec", "chattr", "-ia", "{}", "+"];
    Command::new("find").arg(&folder).args(free).status().unwrap();
    refused(&cli, &said, why);
}

fn a_full_disk_is_refused() {
    refused_on("mount -t tmpfs -o size=4k none . && head -c 4096 /dev/zero > \"$PWD/full\"", "No space left");
}

fn what_cannot_be_replaced_is_refused() {
    refused_on("touch junit.xml && chattr +i junit.xml", "it is immutable: chattr -i");
    refused_on("touch junit.xml && chattr +a junit.xml", "it can be appended to, and not be replaced");
    refused_on("chattr +i .", "no file can be made in");
    refused_on("chattr +a .", "files can be added to");
    refused_on(
        "touch junit.xml other && mount --bind other junit.xml",
        "it is mounted, and cannot be replaced",
    );
    refused_on("ln -s nowhere/junit.xml junit.xml", "its link leads to no file");
}

fn a_disk_that_nobody_may_write_to_is_refused() {
    refused_on("touch junit.xml && mount --bind -o ro . .", "Read-only file system");
    let read_only =
        "mkdir real && touch real/file && ln -s real/file junit.xml && mount --bind -o ro real real";
    refused_on(read_only, "Read-only file system");
    let cli = Cli::new();
    let results = cli.results();
    fs::create_dir(&results).unwrap();
    let ground = format!("mount --bind -o ro {0} {0}", results.display());
    let said = cli.play_on(&ground, SCENARIO, &[]);
    refused(&cli, &said, "Read-only file system");
    assert_eq!(fs::read_dir(results).unwrap().count(), 0);
}

fn what_nobody_reads_is_not_waited_for() {
    refused_on("mkfifo junit.xml", "it is no regular file");
    refused_on("mknod junit.xml c 5 0", "it is no regular file");
    refused_on("mknod junit.xml b 7 7", "it is no regular file");
}

/// The kernel keeps the process that asked until the disk answers: the process is over all the same, and has said why.
fn a_results_folder_that_hangs_is_refused() {
    let cli = Cli::new();
    let disk = FrozenDisk::new().unwrap();
    disk.freeze().unwrap();
    let results = disk.path().join("results");
    let mut child = cli.start_test("migration", SCENARIO, &[("MULTIVM_RESULTS", results.to_str().unwrap())]);
    let over = wait_for("the run to be over", LIMIT, &StopFlag::new(), || match living(child.id() as i32) {
        Some(_) => Poll::NotYet("it goes on".into()),
        None => Poll::Ready(()),
    });
    // Its words have an end, although the kernel still keeps it.
    let mut err = String::new();
    if over.is_ok() {
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    }
    disk.thaw().unwrap();
    let code = child.wait().unwrap().code();
    over.unwrap();
    let said = Said { code, out: String::new(), err };
    refused(&cli, &said, &format!("cannot write results into {}: the disk of ", results.display()));
    assert!(said.err.contains("has not answered for 1"), "{}", said.err);
}

/// libtest panics where its reader is gone, as with `| head`, here before it plays anything.
fn without_a_reader_the_machine_is_given_back() {
    let cli = Cli::new();
    let said = cli.play_to_nobody(SCENARIO);
    assert_eq!(said.out, "1\n", "{}", said.err);
    assert!(said.err.contains("nobody reads its output"), "{}", said.err);
    assert!(!cli.state().join("ledger.jsonl").exists());
    assert!(cli.results().join("latest/junit.xml").exists(), "{}", said.err);
}

fn refused(cli: &Cli, said: &Said, why: &str) {
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(why), "{why} is not in:\n{}", said.err);
    assert_eq!(said.out, "");
    assert!(!cli.state().exists(), "nothing is started");
}

/// A real scenario. If the mistake were not found, it would raise a lab, in a place of its own.
const SCENARIO: &str = "--exact precopy_orderly::in_vms::stress_cpu";

fn play(cli: &Cli, arguments: &str, variables: &[(&str, &str)]) -> Said {
    cli.play_with(&format!("{SCENARIO} {arguments}"), variables)
}
