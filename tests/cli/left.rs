//! State directories as earlier commands leave them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use multivm::ledger::Owner;

use super::program::Cli;

/// A ledger as a killed run leaves it: the directory is there, and nobody holds the lock.
pub fn leave_a_directory(cli: &Cli, kept: bool) -> PathBuf {
    leave(cli, if kept { "{\"line\":\"kept\"}\n" } else { "" })
}

/// A ledger as `lab up --kind machines` leaves it, with the directory alone, in which the machines' inventory is.
pub fn leave_machines(cli: &Cli) -> PathBuf {
    let left = leave_in(cli, "machines", "{\"line\":\"kept\"}\n");
    let host = |address: &str| format!("address = \"{address}\"\npassword = {{ file = \"./password\" }}\n");
    let inventory = format!(
        "[[pair]]\nname = \"machines\"\n[pair.source]\n{}[pair.target]\n{}[pair.storage]\nserve_on = \"source\"\n[pair.network]\nnat = true\n",
        host("198.18.9.11"),
        host("198.18.9.12")
    );
    fs::write(left.join("inventory.toml"), inventory).unwrap();
    left
}

pub fn leave(cli: &Cli, kept: &str) -> PathBuf {
    leave_in(cli, "lab", kept)
}

fn leave_in(cli: &Cli, directory: &str, kept: &str) -> PathBuf {
    let left = cli.state().join(directory);
    fs::create_dir_all(left.join("deep")).unwrap();
    let mut lines = format!(
        "{{\"line\":\"entered\",\"id\":1,\"thing\":{{\"kind\":\"directory\",\"path\":\"{}\"}}}}\n",
        left.display()
    );
    lines.push_str(kept);
    fs::write(cli.state().join("ledger.jsonl"), lines).unwrap();
    left
}

/// Writes the inventory of a lab that is up.
pub fn describe(lab: &Path) {
    let inventory = r#"{
        "owner": "0d0e1c1f-5c3e-4b5e-9d43-7c1f2a3b4c5d",
        "source": {"name": "source", "login": LOGIN, "cpu_percent": 200, "memory": 4294967296, "load_folder": "/var/lib/multivm/loads", "uri": "test:///default", "facts": {"suite": "trixie"}},
        "target": {"name": "target", "login": LOGIN, "cpu_percent": 200, "memory": 4294967296, "load_folder": "/var/lib/multivm/loads", "uri": "test:///default", "facts": {}},
        "storage": {"name": "storage", "login": LOGIN, "server": "198.18.0.1", "export": "/export", "base_image": "b"},
        "guests": {"kernel": "k", "initramfs": "i", "bridge": "br0", "addresses": "198.18.1.0/24", "netmask": "n",
                   "gateway": "g", "key": "k", "public_key": "p", "known_hosts": "h", "host_key": "k"},
        "accelerator": {"kind": "tcg", "reason": "for a test"}
    }"#
    .replace("LOGIN", r#"{"address": "198.18.0.11", "port": 22, "user": "root", "access": {"key": "k"}, "trust": {"known": "h"}}"#);
    fs::write(lab.join("inventory.json"), inventory).unwrap();
}

/// A process that lives until it is ended, and a lab that is up for as long.
pub struct Owned {
    pub owner: std::process::Child,
    pub lab: PathBuf,
}

impl Owned {
    pub fn new(cli: &Cli) -> Owned {
        let owner = Command::new("sleep").arg("600").spawn().unwrap();
        let start = Owner::of(owner.id() as i32).unwrap().start;
        let until = format!("{{\"line\":\"kept\",\"until\":{{\"pid\":{},\"start\":{start}}}}}\n", owner.id());
        let lab = leave(cli, &until);
        describe(&lab);
        Owned { owner, lab }
    }

    /// Starts who takes the lab down when the process ends, and waits until it is ready.
    pub fn keeper(&self, cli: &Cli) -> std::process::Child {
        let start = Owner::of(self.owner.id() as i32).unwrap().start;
        let mut keeper = Command::new(env!("CARGO_BIN_EXE_multivm"))
            .args(["__multivm-keeper", &self.owner.id().to_string(), &start.to_string()])
            .env("MULTIVM_STATE", cli.state())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(keeper.stdout.take().unwrap()), &mut said)
            .unwrap();
        assert_eq!(said, "ready\n");
        keeper
    }

    pub fn end(&mut self) {
        self.owner.kill().unwrap();
        self.owner.wait().unwrap();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Gone already in most tests.
        let _ = self.owner.kill();
        let _ = self.owner.wait();
    }
}
