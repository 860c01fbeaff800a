//! Whether both hosts have one storage, tried with a file.

use super::Diagnosis;
use super::asked_host::AskedHost;
use crate::stand::pair::{NotShared, faults};

const WHAT: &str = "storage of both";

/// Tries a file in the folder that both hosts are to share.
pub fn examine(hosts: &[AskedHost<'_>; 2], folder: &str) -> Vec<Diagnosis> {
    let faults = faults(hosts.each_ref().map(|host| (&host.remote, &host.facts)), folder);
    if faults.is_empty() {
        let seen = "a file that the source wrote was there on the target, QEMU's users opened it on both, and it is removed";
        return vec![Diagnosis::good(WHAT, seen)];
    }
    let told = |NotShared { host, seen, advice }: NotShared| match host {
        Some(at) => hosts[at].missing(WHAT, seen, advice),
        None => Diagnosis::missing(WHAT, seen, advice),
    };
    faults.into_iter().map(told).collect()
}
