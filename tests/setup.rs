//! `./setup` on systems that are not this one: package managers are stand-ins, and nothing is installed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use tempfile::TempDir;

fn setup() -> PathBuf {
    // At run time: an archived test binary runs in another checkout than it was built in.
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("setup")
}

/// A machine that has these programs and no others.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(os_release: &str) -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(machine.path("bin")).unwrap();
        fs::write(machine.path("os-release"), os_release).unwrap();
        for tool in ["sed", "tr", "env", "cat"] {
            let real = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            let real = real.iter().find(|path| path.exists()).expect("a basic tool");
            symlink(real, machine.path("bin").join(tool)).unwrap();
        }
        machine.has("id", "echo 0").has("cargo", "").has("rustc", "echo 'rustc 1.95.0 (x 2026-01-01)'")
    }

    fn debian() -> Machine {
        Machine::new("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nPRETTY_NAME='Linux Mint 22'\n")
            // mmdebstrap was removed and left its configuration; pkg-config is there by its other name.
            .has(
                "dpkg-query",
                "for p in gcc libc6-dev pkgconf libvirt-dev libssl-dev zlib1g-dev debian-archive-keyring iproute2 \
                 openssh-client util-linux xorriso ca-certificates; do echo $p=installed; done; echo mmdebstrap=config-files; exit 1",
            )
            .has("apt-get", "echo \"apt-get $*\" >>\"${0%/bin/*}/log\"")
    }

    fn fedora() -> Machine {
        Machine::new("ID=rocky\nID_LIKE='rhel centos fedora'\n")
            .has("rpm", "echo gcc-14; echo 'no package provides mmdebstrap'; exit 1")
            .has("dnf", "echo \"dnf $*\" >>\"${0%/bin/*}/log\"")
    }

    fn has(self, program: &str, script: &str) -> Machine {
        // Written by a child: a script that this process has open for writing may be inherited by the fork of another
        // test's thread, and then cannot be executed ("Text file busy").
        let write = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .arg(self.path("bin").join(program))
            .arg(script)
            .status();
        assert!(write.unwrap().success());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the stand-ins of the package manager were asked.
    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Exit status, and all that was said.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(setup())
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("MULTIVM_OS_RELEASE", self.path("os-release"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }
}

#[rstest]
#[case::known("ID=arch\nPRETTY_NAME='Arch Linux'\n", "Arch Linux")]
#[case::nothing("", "this system")]
fn elsewhere_it_refuses_and_says_what_to_install(#[case] os_release: &str, #[case] name: &str) {
    let (status, text) = Machine::new(os_release).run(&[]);
    assert_eq!(status, Some(1));
    assert!(text.starts_with(&format!("setup: cannot install packages on {name}: ")), "{text}");
    assert!(text.contains(" pkg-config libvirt-dev ") && text.contains(" openssl-devel "), "{text}");
}

#[test]
fn checking_installs_nothing() {
    let machine = Machine::debian();
    assert_eq!(
        machine.run(&["--check"]),
        (Some(1), "setup: missing: mmdebstrap\nsetup: ./setup installs them\n".into())
    );
    assert_eq!(machine.log(), "");
}

#[test]
fn apt_installs_only_what_is_missing() {
    let machine = Machine::debian();
    let (status, text) = machine.run(&[]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(
        machine.log(),
        "apt-get -q update\napt-get -q install -y --no-install-recommends mmdebstrap\n"
    );
}

#[test]
fn a_broken_source_does_not_keep_it_from_trying() {
    let log = "echo \"$1 $2\" >>\"${0%/bin/*}/log\"";
    let machine = Machine::debian().has("apt-get", &format!("{log}; [ \"$2\" != update ]"));
    let (status, text) = machine.run(&[]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("apt-get update failed"), "{text}");
    assert_eq!(machine.log(), "-q update\n-q install\n");
}

#[test]
fn dnf_says_where_rhel_keeps_the_rest() {
    let machine = Machine::fedora();
    assert_eq!(machine.run(&[]).0, Some(0));
    assert_eq!(machine.log(), "dnf install -y --setopt=install_weak_deps=False mmdebstrap\n");
    let (status, text) = machine.has("dnf", "exit 1").run(&[]);
    assert_eq!(status, Some(1));
    assert!(
        text.contains("dnf could not install: mmdebstrap") && text.contains("EPEL") && text.contains("CRB"),
        "{text}"
    );
}

#[test]
fn without_root_it_takes_sudo_or_says_what_to_run() {
    let machine = Machine::debian().has("id", "echo 1000");
    let (status, text) = machine.run(&[]);
    assert_eq!(status, Some(1));
    assert!(
        text.contains("there is no sudo: run this as root:\n  env DEBIAN_FRONTEND=noninteractive apt-get"),
        "{text}"
    );
    let machine = machine.has("sudo", "exec \"$@\"");
    assert_eq!(machine.run(&[]).0, Some(0));
    assert!(machine.log().contains("install -y"));
}

#[rstest]
#[case::old(
    "echo 'rustc 1.88.0 (x)'",
    Some("warning: rustc 1.88.0 (x) is too old: install Rust 1.89 or later")
)]
#[case::broken("exit 1", Some("warning: rustc does not say its version"))]
#[case::nightly("echo 'rustc 1.97.0-nightly (x)'", None)]
#[case::exact("echo 'rustc 1.89.0'", None)]
#[case::later("echo 'rustc 2.0.0'", None)]
fn rust_is_only_looked_at(#[case] rustc: &str, #[case] warning: Option<&str>) {
    let machine = Machine::debian().has("dpkg-query", "").has("rustc", rustc);
    let (_, text) = machine.run(&["--check"]);
    match warning {
        Some(warning) => assert!(text.contains(warning), "{text}"),
        None => assert!(!text.contains("warning"), "{text}"),
    }
}

#[rstest]
#[case::debian(Machine::debian(), "mmdebstrap chromium")]
#[case::fedora(Machine::fedora(), "mmdebstrap")]
fn what_only_tests_need_is_asked_for(#[case] machine: Machine, #[case] missing: &str) {
    let (status, text) = machine.run(&["--tests", "--check"]);
    assert_eq!(status, Some(1));
    assert!(text.contains(&format!("setup: missing: {missing}\n")), "{text}");
}

#[test]
fn arguments_are_not_guessed() {
    let (status, text) = Machine::debian().run(&["--dry-run"]);
    assert_eq!(status, Some(1));
    assert!(text.contains("unknown argument: --dry-run\nusage: ./setup [--check] [--tests]"), "{text}");
}
