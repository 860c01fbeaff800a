//! What a lab consists of on this machine, whatever its ledger says: network namespaces, control groups, and processes in networks of
//! their own.

use std::collections::BTreeSet;
use std::path::Path;

use libtest_mimic::Failed;
use procfs::process::{Namespaces, Process, all_processes};

pub struct Traces(BTreeSet<String>);

impl Traces {
    pub fn of_this_machine() -> Result<Traces, Failed> {
        let mut traces = BTreeSet::new();
        let networks = Path::new("/run/netns");
        if networks.exists() {
            traces.extend(names(networks)?.map(|name| format!("network namespace {name}")));
        }
        // Below the top, and below each controller of version 1.
        let groups = Path::new("/sys/fs/cgroup");
        for folder in [groups.to_owned()].into_iter().chain(names(groups)?.map(|name| groups.join(name))) {
            if folder.is_dir() {
                let own = names(&folder)?.filter(|name| name.contains("multivm"));
                traces.extend(own.map(|name| format!("control group {}", folder.join(name).display())));
            }
        }
        let own = Process::myself()?.namespaces()?;
        // Processes may end while they are listed.
        for process in all_processes()?.flatten() {
            let is_elsewhere = process.namespaces().is_ok_and(|its| network(&its) != network(&own));
            if is_elsewhere && let Ok(stat) = process.stat() {
                traces.insert(format!("process {} ({})", stat.comm, process.pid));
            }
        }
        Ok(Traces(traces))
    }

    /// What is there beside what was there before.
    pub fn beside(&self, before: &Traces) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

fn network(namespaces: &Namespaces) -> Option<u64> {
    namespaces.0.iter().find(|(name, _)| *name == "net").map(|(_, namespace)| namespace.identifier)
}

fn names(folder: &Path) -> Result<impl Iterator<Item = String>, Failed> {
    let entries = std::fs::read_dir(folder)?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()))
}
