//! `multivm inventory`: what a file of hosts means, and what it must not say.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rstest::rstest;

use super::cli;
use super::program::Cli;

const EXAMPLE: &str = include_str!("../../fixtures/inventory.toml");

/// A text as an inventory in the working directory of the program.
fn file(cli: &Cli, text: &str) -> String {
    let path = cli.place().join("hosts.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[rstest]
fn the_example_means_what_it_says(cli: Cli) {
    let key = cli.place().join("id");
    fs::write(&key, "").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let path = file(&cli, &EXAMPLE.replace("~/.ssh/id_ed25519", "id"));
    let said =
        cli.run_with(&format!("inventory check {path} --pair nightly"), &[("KVM2_PASSWORD", "hunter2")]);
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{}", said.out);
    for part in [
        "1 pair",
        "rack7 (nightly, x86-64)",
        "root@kvm1.example.org, port 22, by the key ",
        "tester@kvm2.example.org, port 22, by the password from the variable KVM2_PASSWORD",
        "the NFS export /export/vms of nas.example.org",
        "the bridge br0, 192.0.2.0/24",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
    assert!(!said.out.contains("hunter2") && !said.out.contains("missing"), "{}", said.out);
}

#[rstest]
fn what_is_missing_here_is_told_by_name(cli: Cli) {
    let text = EXAMPLE.replace("~/.ssh/id_ed25519", "id").replace("\"exports\", \"mounts\", ", "");
    let path = file(&cli, &text);
    let said = cli.run(&format!("inventory check {path}"));
    assert_eq!((said.code, &*said.err), (Some(1), ""), "{}", said.out);
    assert!(said.out.contains("missing  `mounts` is not allowed: multivm mounts the export"), "{}", said.out);
    assert!(said.out.contains("missing  source, kvm1.example.org: the key "), "{}", said.out);
    assert!(
        said.out.contains("missing  target, kvm2.example.org: the variable KVM2_PASSWORD is not set"),
        "{}",
        said.out
    );
}

#[rstest]
#[case::no_file("/nowhere.toml", "", "cannot read the inventory /nowhere.toml")]
#[case::mistake("", "[[pair]]\nname = \"a\"\npassword = \"hunter2\"\n", "unknown field `password`")]
#[case::pair_of_another_name("", EXAMPLE, "declared there: `rack7`")]
fn a_mistake_has_its_place_and_no_secret(
    cli: Cli,
    #[case] path: &str,
    #[case] text: &str,
    #[case] told: &str,
) {
    let path = if path.is_empty() { file(&cli, text) } else { path.to_owned() };
    let said = cli.run(&format!("inventory check {path} --pair b"));
    assert_eq!((said.code, &*said.out), (Some(2), ""), "{}", said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    assert!(!said.err.contains("hunter2"), "{}", said.err);
    assert!(!cli.state().exists());
}
