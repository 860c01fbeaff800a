//! A host for tests: a folder in which the scripts for hosts run, as whoever runs the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::change::{self, Change};
use super::guests;
use super::lease::{BOOT_ID, HOME};
use crate::inventory::file::Consent;

/// A folder that stands for a host's `/`.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// A host that a run has taken.
    pub fn leased() -> Sandbox {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(sandbox.path("home/.ssh")).unwrap();
        fs::create_dir_all(sandbox.lease("changes")).unwrap();
        fs::write(sandbox.lease("run"), "R1\n").unwrap();
        fs::write(sandbox.lease("boot"), fs::read(BOOT_ID).unwrap()).unwrap();
        fs::write(sandbox.lease("undo"), sandbox.moved(include_str!("undo.sh"))).unwrap();
        sandbox
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A path in the lease.
    pub fn lease(&self, below: &str) -> PathBuf {
        self.path("multivm/lease").join(below)
    }

    /// Gives the host a program.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A shell that finds the host's own programs first.
    fn shell(&self) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("sh");
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command
    }

    /// A script that works in this folder.
    pub fn moved(&self, script: &str) -> String {
        let at = |below: &str| self.path(below).display().to_string();
        [(HOME, "multivm"), (guests::LOGS, "logs"), ("/run/systemd", "systemd"), ("/proc/net", "net")]
            .iter()
            .fold(script.to_owned(), |script, (place, here)| script.replace(place, &at(here)))
    }

    /// Runs a script; the user's home is `home`.
    pub fn sh(&self, script: &str) -> Output {
        self.logged_in(&["-c", &self.whole(script)])
    }

    /// Runs `sh` with words, in the environment of a login by ssh.
    fn logged_in(&self, words: &[&str]) -> Output {
        self.shell().args(words).env("SSH_CONNECTION", "192.0.2.9 5000 192.0.2.1 22").output().unwrap()
    }

    /// A script that finds the home of the user who runs the tests here.
    fn whole(&self, script: &str) -> String {
        let getent = format!("getent() {{ echo 'user:x:0:0::{}:/bin/sh'; }}\n", self.path("home").display());
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
        getent + &self.moved(script).replace("USER-OF-THE-TEST", &user)
    }

    /// Makes changes.
    pub fn make(&self, changes: &[Change], allow: &[Consent]) -> Output {
        self.sh(&change::script("R1", changes, allow))
    }

    /// The host has booted since it was taken.
    pub fn boot(&self) {
        fs::write(self.lease("boot"), "4b0f7c2e-earlier\n").unwrap();
    }

    /// Makes changes in a process below one of the login, which has lost the login's variable.
    pub fn make_by_sudo(&self, changes: &[Change], allow: &[Consent]) -> Output {
        let script = self.whole(&change::script("R1", changes, allow));
        self.logged_in(&["-c", "env -u SSH_CONNECTION sh -c \"$0\"; exit $?", &script])
    }

    /// Takes one change back.
    pub fn undo(&self, change: &Change) -> Output {
        self.sh(&change.undo)
    }

    /// Puts everything back, as a host does by itself.
    pub fn put_back(&self) -> Output {
        self.shell().arg(self.lease("undo")).output().unwrap()
    }
}

/// The content of a file; none if there is no such file.
pub fn content(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}
