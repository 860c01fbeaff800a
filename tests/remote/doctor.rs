//! What `multivm doctor --inventory` and `multivm inventory trust` say of a real server, which stands for both hosts of a pair.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::sshd::PASSWORD;
use crate::{Case, Sshd};

pub const CASES: &[Case] = &[
    ("the_doctor_asks_both_hosts_and_leaves_nothing", the_doctor_asks_both_hosts_and_leaves_nothing),
    ("the_doctor_says_who_does_not_let_it_in", the_doctor_says_who_does_not_let_it_in),
    (
        "a_host_that_was_installed_anew_is_trusted_on_demand",
        a_host_that_was_installed_anew_is_trusted_on_demand,
    ),
];

/// An inventory in a folder of its own, with a state directory beside it.
pub struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// Both hosts are the server, under two names.
    pub fn new(sshd: &Sshd, access: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let host = |address: &str| format!("address = '{address}'\nport = {}\n{access}\n", sshd.port);
        let text = format!(
            "[[pair]]\nname = 'rack'\n[pair.source]\n{}[pair.target]\n{}[pair.storage]\nmount = '/mnt'\n\
             [pair.network]\nbridge = 'br0'\nsubnet = '192.0.2.0/24'\nguests = '192.0.2.128/25'\n",
            host("127.0.0.1"),
            host("localhost")
        );
        fs::write(folder.path().join("site.toml"), text).unwrap();
        Site { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, words: &[&str]) -> Output {
        let mut multivm = Command::new(env!("CARGO_BIN_EXE_multivm"));
        multivm.args(words).arg("--inventory").arg(self.path("site.toml")).env("SITE_PASSWORD", PASSWORD);
        multivm.env("MULTIVM_STATE", self.path("state"));
        multivm.output().unwrap()
    }
}

pub fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub fn key(sshd: &Sshd) -> String {
    format!("key = '{}'", sshd.path("user").display())
}

fn the_doctor_asks_both_hosts_and_leaves_nothing(sshd: &Sshd) {
    let site = Site::new(sshd, &key(sshd));
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(sshd.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        // Other cases make files of these names.
        names.retain(|name| name.to_string_lossy().starts_with('.'));
        names
    };
    let before = names();
    let output = site.run(&["doctor"]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in [
        "source: login",
        "is known from now on: compare it",
        "target: memory",
        "source: clock",
        "there is no bridge br0",
        "libvirt takes ",
        // The folder is the same one under both names.
        "a file that the source wrote was there on the target, QEMU's users opened it on both, and it is removed",
        "127.0.0.1:49152, 49183, 49215/tcp, tried from the other host: nobody listens, as it must be",
        "Guests cannot migrate between these hosts",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert_eq!(names(), before);
    // Both names are in the file now, and the next look finds them there.
    assert_eq!(fs::read_to_string(site.path("site.known_hosts")).unwrap().lines().count(), 2);
    assert!(!printed(&site.run(&["doctor"])).contains("from now on"));
}

fn the_doctor_says_who_does_not_let_it_in(sshd: &Sshd) {
    let site = Site::new(sshd, "user = 'asked'\npassword = { env = 'SITE_PASSWORD' }");
    let text = printed(&site.run(&["doctor"]));
    assert!(text.contains("as asked, who is not root"), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    let site = Site::new(sshd, "password = { env = 'SITE_PASSWORD' }");
    let output = site.run(&["doctor"]);
    let text = printed(&output);
    assert!(output.status.code() == Some(1) && text.contains("it offers publickey, password"), "{text}");
    assert!(text.contains("forbids root's password") && text.contains("not looked at, because"), "{text}");
}

fn a_host_that_was_installed_anew_is_trusted_on_demand(sshd: &Sshd) {
    let site = Site::new(sshd, &key(sshd));
    let line = |key: &str| format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.public(key));
    let known = site.path("site.known_hosts");
    fs::write(&known, format!("192.0.2.7 {}\n{}", sshd.public("host_rsa"), line("stranger"))).unwrap();
    let text = printed(&site.run(&["doctor"]));
    assert!(text.contains("is not the one in") && text.contains("multivm inventory trust"), "{text}");
    let trusted = site.run(&["inventory", "trust", "127.0.0.1"]);
    let text = printed(&trusted);
    assert!(
        trusted.status.success() && text.contains(" is trusted from now on; before it was SHA256:"),
        "{text}"
    );
    let left = fs::read_to_string(&known).unwrap();
    assert!(
        left.contains("192.0.2.7 ")
            && left.contains(&line("host_ed25519"))
            && !left.contains(&line("stranger")),
        "{left}"
    );
    assert!(printed(&site.run(&["inventory", "trust", "127.0.0.1"])).contains("is trusted as before"));
    // A line that has other names, too.
    fs::write(&known, format!("kvm1,{}", line("stranger"))).unwrap();
    assert!(printed(&site.run(&["inventory", "trust", "127.0.0.1"])).contains("before it was SHA256:"));
    let left = fs::read_to_string(&known).unwrap();
    assert_eq!(left, format!("kvm1 {}\n{}", sshd.public("stranger"), line("host_ed25519")));
    let revoked = format!("@revoked * {}\n", sshd.public("host_ed25519"));
    fs::write(&known, &revoked).unwrap();
    let refused = site.run(&["inventory", "trust", "127.0.0.1"]);
    assert!(
        !refused.status.success() && printed(&refused).contains("is @revoked in"),
        "{}",
        printed(&refused)
    );
    assert_eq!(fs::read_to_string(&known).unwrap(), revoked);
    let unknown = site.run(&["inventory", "trust", "192.0.2.9"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(printed(&unknown).contains("declared there: `127.0.0.1`, `localhost`"), "{}", printed(&unknown));
}
