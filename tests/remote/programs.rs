//! Programs of ours on a machine, also where its `/run` lets none run.

use multivm::remote::Remote;

use crate::{Case, LIMIT, Sshd};

pub const CASES: &[Case] = &[
    ("a_program_runs_where_it_was_copied_to", a_program_runs_where_it_was_copied_to),
    (
        "a_program_runs_beside_a_file_system_that_lets_none_run",
        a_program_runs_beside_a_file_system_that_lets_none_run,
    ),
    ("what_somebody_else_has_by_that_name_stays", what_somebody_else_has_by_that_name_stays),
];

const PROGRAM: &[u8] = b"#!/bin/sh\necho runs\n";

/// Copies a program into a directory, twice, as two who need it do, runs it, and removes it.
fn runs_in(remote: &Remote, directory: &str) -> String {
    for _ in 0..2 {
        remote.make_program_directory(directory, LIMIT).unwrap();
        remote.push_program(PROGRAM, directory, "program", LIMIT).unwrap();
    }
    assert!(remote.has_program(&format!("{directory}/program"), LIMIT).unwrap());
    assert_eq!(remote.check(&format!("exec {directory}/program"), LIMIT).unwrap(), "runs\n");
    let is_at = remote.check(&format!("readlink -f {directory}"), LIMIT).unwrap();
    remote.remove_program_directory(directory, LIMIT).unwrap();
    let left = remote.check(&format!("ls -d {directory} {} 2> /dev/null; :", is_at.trim()), LIMIT).unwrap();
    assert_eq!(left, "");
    is_at.trim().to_owned()
}

fn a_program_runs_where_it_was_copied_to(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login(sshd.port));
    assert_eq!(runs_in(&remote, "/run/multivm-test-of-programs"), "/run/multivm-test-of-programs");
}

fn a_program_runs_beside_a_file_system_that_lets_none_run(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login(sshd.port));
    let folder = "/run/multivm-test-noexec";
    let mount = format!("mkdir -p {folder} && mount -t tmpfs -o noexec tmpfs {folder}");
    remote.check(&mount, LIMIT).unwrap();
    assert_eq!(runs_in(&remote, &format!("{folder}/multivm-programs")), "/var/lib/multivm-programs");
    remote.check(&format!("umount {folder} && rmdir {folder}"), LIMIT).unwrap();
}

fn what_somebody_else_has_by_that_name_stays(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login(sshd.port));
    let (theirs, link) = ("/run/multivm-test-theirs", "/run/multivm-test-link");
    let put = format!("mkdir -p {theirs} && touch {theirs}/file && ln -s {theirs} {link}");
    remote.check(&put, LIMIT).unwrap();
    for directory in [link, theirs] {
        remote.remove_program_directory(directory, LIMIT).unwrap();
    }
    let left = remote.check(&format!("ls -d {theirs}/* {link}; rm -r {theirs} {link}"), LIMIT).unwrap();
    assert_eq!(left, format!("{link}\n{theirs}/file\n"));
}
