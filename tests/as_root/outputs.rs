//! Results that cannot be written: refused with exit status 2, before anything is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Cli, Said, said};

pub const CASES: [(&str, fn()); 3] = [
    ("an_unusable_junit_file_is_refused", an_unusable_junit_file_is_refused),
    ("an_unusable_junit_variable_is_refused", an_unusable_junit_variable_is_refused),
    ("an_unusable_results_folder_is_refused", an_unusable_results_folder_is_refused),
];

fn an_unusable_junit_file_is_refused() {
    let cli = Cli::new();
    let said = play(&cli, &["--junit", "/proc/no/such.xml"], &[]);
    refused(&cli, &said, "cannot write JUnit to /proc/no/such.xml");
}

fn an_unusable_junit_variable_is_refused() {
    let cli = Cli::new();
    let folder = cli.place().display().to_string();
    let said = play(&cli, &[], &[("MULTIVM_JUNIT", &folder)]);
    refused(&cli, &said, "it is a folder");
}

fn an_unusable_results_folder_is_refused() {
    let cli = Cli::new();
    let file = cli.place().join("file");
    fs::write(&file, "").unwrap();
    let said = play(&cli, &[], &[("MULTIVM_RESULTS", &file.display().to_string())]);
    refused(&cli, &said, "is not a folder");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}

fn refused(cli: &Cli, said: &Said, why: &str) {
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(why), "{why} is not in:\n{}", said.err);
    assert_eq!(said.out, "");
    assert!(!cli.state().exists(), "nothing is started");
}

/// Asks for a real scenario. If the mistake were not found, this would raise a lab, in a place of its own.
fn play(cli: &Cli, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(scenarios());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MULTIVM_") || name.to_string_lossy().starts_with("NEXTEST") {
            command.env_remove(name);
        }
    }
    command
        .env("MULTIVM_STATE", cli.state())
        .env("MULTIVM_RESULTS", cli.place().join("results"))
        .envs(variables.iter().copied())
        .args(["--exact", "precopy_orderly::in_vms::stress_cpu"])
        .args(arguments);
    said(command.output().unwrap())
}

/// The test target of the scenarios, which lies beside this one: the newest, since cargo keeps older builds.
fn scenarios() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let beside = fs::read_dir(me.parent().unwrap()).unwrap().flatten().map(|entry| entry.path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hash = name.strip_prefix("migration-").unwrap_or_default();
        !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let written = |path: &PathBuf| Path::new(path).metadata().and_then(|file| file.modified()).unwrap();
    beside.filter(is_one).max_by_key(written).expect("cargo test --no-run builds the target migration")
}
