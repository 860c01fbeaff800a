//! Hosts of paper, which said what a test says.

use std::path::Path;
use std::time::SystemTime;

use super::Facts;
use super::asked_host::{AskedHost, ClockReading};
use crate::inventory::file::{Folders, InventoryFile, Pair};
use crate::remote::{Identity, Remote};

/// A pair with this storage, network and consent.
pub fn pair(storage: &str, network: &str, allow: &str) -> Pair {
    let text = format!(
        "[[pair]]\nname = 'p'\nallow = [{allow}]\n[pair.source]\naddress = 'a'\n[pair.target]\naddress = 'b'\n\
         [pair.storage]\n{storage}\n[pair.network]\n{network}\n"
    );
    let folders = Folders { file: Path::new("/"), home: None };
    InventoryFile::parse("test.toml", &text, &folders).unwrap().pairs.remove(0)
}

/// A pair that shares a mount, with guests on a bridge.
pub fn ordinary() -> Pair {
    let bridge = "bridge = 'br0'\nsubnet = '192.0.2.0/24'\nguests = '192.0.2.128/25'";
    pair("mount = '/srv/vms'", bridge, "")
}

/// Both hosts of a pair, with what each said.
pub fn hosts<'a>(pair: &'a Pair, source: &str, target: &str) -> [AskedHost<'a>; 2] {
    let now = SystemTime::now();
    [("source", &pair.source, source), ("target", &pair.target, target)].map(|(name, machine, said)| {
        AskedHost {
            name,
            machine,
            identity: Identity {
                fingerprint: "SHA256:test".into(),
                key: "ssh-ed25519 AAAA".into(),
                is_new: false,
            },
            remote: Remote::new(name, machine.login(Path::new("/nowhere"))),
            facts: facts(said),
            user: facts(""),
            clock: ClockReading { asked: [now, now], now: None },
            here: None,
            run: None,
        }
    })
}

/// What a host said.
pub fn facts(said: &str) -> Facts {
    Facts::parse(&format!("{said}\nend yes\n")).unwrap()
}
