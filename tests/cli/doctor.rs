//! `multivm doctor`.

use rstest::rstest;

use super::cli;
use super::program::Cli;

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
