//! Machines with other package sources than this one has.

use std::fs;

use crate::program::Cli;

pub const CASES: [(&str, fn()); 2] = [
    ("a_machine_that_is_no_debian_is_ready", a_machine_that_is_no_debian_is_ready),
    ("without_debians_keys_the_doctor_says_so", without_debians_keys_the_doctor_says_so),
];

const UBUNTU: &str = "Types: deb\nURIs: mirror:/ubuntu\nSuites: noble\nComponents: main\n";

/// A place with Ubuntu's sources.
fn ubuntu() -> Cli {
    let cli = Cli::new();
    fs::create_dir_all(cli.place().join("apt/sources.list.d")).unwrap();
    fs::create_dir_all(cli.place().join("no-keys")).unwrap();
    fs::write(cli.place().join("apt/sources.list.d/ubuntu.sources"), UBUNTU).unwrap();
    cli
}

fn a_machine_that_is_no_debian_is_ready() {
    let cli = ubuntu();
    let said = cli.run_over("doctor", &[(&cli.place().join("apt"), "/etc/apt")]);
    assert!(said.out.contains("from the source that mmdebstrap itself"), "{}{}", said.out, said.err);
}

fn without_debians_keys_the_doctor_says_so() {
    let cli = ubuntu();
    let (apt, none) = (cli.place().join("apt"), cli.place().join("no-keys"));
    let said = cli.run_over("doctor", &[(&apt, "/etc/apt"), (&none, "/usr/share/keyrings")]);
    assert!(said.out.contains("./setup installs the keys"), "{}{}", said.out, said.err);
}
