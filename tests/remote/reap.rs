//! What `multivm reap --inventory` does about hosts that the ledger here knows by a login that is out of date.

use std::fs;
use std::process::Command;

use crate::doctor::{Site, key, printed};
use crate::left::leave_a_host;
use crate::{Case, Sshd};

pub const CASES: &[Case] = &[
    (
        "a_host_that_was_installed_anew_is_reaped_by_the_inventory",
        a_host_that_was_installed_anew_is_reaped_by_the_inventory,
    ),
    (
        "a_host_that_is_lost_stays_in_the_ledger_until_it_is_back",
        a_host_that_is_lost_stays_in_the_ledger_until_it_is_back,
    ),
];

/// A port of this machine at which no sshd answers.
const NOBODYS_PORT: u16 = 9;

fn a_host_that_was_installed_anew_is_reaped_by_the_inventory(sshd: &Sshd) {
    let site = Site::new(sshd, &key(sshd));
    let pair = site.path("state/pairs/127.0.0.1-localhost");
    let login = serde_json::json!({
        "address": "127.0.0.1", "port": sshd.port, "user": "root", "access": {"key": sshd.path("user")},
        "trust": {"key": {"fingerprint": "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}},
    });
    leave_a_host(&pair, "127.0.0.1", login);
    let output = site.run(&["reap"]);
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    for expected in ["source: nothing is left of multivm", "target: nothing is left of multivm"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(fs::read_dir(&pair).map_or(0, Iterator::count) == 0, "the ledger and the run's folder are gone");
}

fn a_host_that_is_lost_stays_in_the_ledger_until_it_is_back(sshd: &Sshd) {
    let site = Site::new(sshd, &key(sshd));
    let pair = site.path("state/pairs/127.0.0.1-localhost");
    let login = serde_json::json!({
        "address": "127.0.0.1", "port": NOBODYS_PORT, "user": "root", "access": {"key": sshd.path("user")},
        "trust": {"known": sshd.path("known_hosts")},
    });
    leave_a_host(&pair, "127.0.0.1", login);
    for _ in 0..2 {
        let mut reap = Command::new(env!("CARGO_BIN_EXE_multivm"));
        let reap = reap.arg("reap").env("MULTIVM_STATE", site.path("state")).env_remove("MULTIVM_INVENTORY");
        let output = reap.output().unwrap();
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        for expected in ["source", "reap --inventory FILE", "reap --forget 127.0.0.1"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(fs::read_to_string(pair.join("ledger.jsonl")).unwrap().contains("127.0.0.1"), "{text}");
    }
    let output = site.run(&["reap"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read_dir(&pair).map_or(0, Iterator::count) == 0, "the ledger and the run's folder are gone");
}
