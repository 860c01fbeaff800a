//! What `multivm reap --inventory` does about hosts that the ledger here knows by a login that is out of date.

use std::fs;

use crate::doctor::{Site, key, printed};
use crate::left::leave_a_host;
use crate::{Case, Sshd};

pub const CASES: &[Case] = &[(
    "a_host_that_was_installed_anew_is_reaped_by_the_inventory",
    a_host_that_was_installed_anew_is_reaped_by_the_inventory,
)];

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
