//! The ledger of a pair as a killed run leaves it.

use std::fs;
use std::path::Path;

/// Leaves a ledger with the run's folder and a host that the run R1 has changed.
pub fn leave_a_host(directory: &Path, address: &str, login: serde_json::Value) {
    let run = directory.join("run");
    fs::create_dir_all(&run).unwrap();
    let folder = serde_json::json!({"kind": "directory", "path": run});
    let host = serde_json::json!({
        "kind": "host", "name": "source", "address": address, "login": login, "run": "R1", "before": run.join("before-source"),
    });
    let entered = |id: u64, thing| serde_json::json!({"line": "entered", "id": id, "thing": thing});
    let lines = format!("{}\n{}\n", entered(1, folder), entered(2, host));
    fs::write(directory.join("ledger.jsonl"), lines).unwrap();
}
