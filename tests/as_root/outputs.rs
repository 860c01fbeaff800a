//! Results that cannot be written: refused with exit status 2, before anything is started.

use std::fs;
use std::process::Command;

use crate::program::{Cli, Said};

pub const CASES: [(&str, fn()); 5] = [
    ("an_unusable_junit_file_is_refused", an_unusable_junit_file_is_refused),
    ("an_unusable_junit_variable_is_refused", an_unusable_junit_variable_is_refused),
    ("an_unusable_results_folder_is_refused", an_unusable_results_folder_is_refused),
    ("a_full_disk_is_refused", a_full_disk_is_refused),
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

fn a_full_disk_is_refused() {
    let cli = Cli::new();
    let disk = cli.place().join("disk");
    fs::create_dir(&disk).unwrap();
    let full =
        format!("mount -t tmpfs -o size=4k none {0} && head -c 4096 /dev/zero > {0}/full", disk.display());
    let made = Command::new("sh").args(["-c", &full]).status().unwrap();
    let said = play(&cli, "", &[("MULTIVM_JUNIT", disk.join("junit.xml").to_str().unwrap())]);
    let gone = Command::new("umount").arg(&disk).status().unwrap();
    assert!(made.success() && gone.success());
    refused(&cli, &said, "No space left");
}

/// libtest panics where its reader is gone, as with `| head`, here before it plays anything.
fn without_a_reader_the_machine_is_given_back() {
    let cli = Cli::new();
    let said = cli.play_to_nobody("--exact precopy_orderly::in_vms::stress_cpu");
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

/// Asks for a real scenario. If the mistake were not found, this would raise a lab, in a place of its own.
fn play(cli: &Cli, arguments: &str, variables: &[(&str, &str)]) -> Said {
    cli.play_with(&format!("--exact precopy_orderly::in_vms::stress_cpu {arguments}"), variables)
}
