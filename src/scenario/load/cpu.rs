//! CPU load: workers that compute without end.

use super::row::{HostShare, LoadKind, LoadRow, LoadSize, Room, Signs, words};
use super::tool;
use crate::scenario::Bytes;

pub(super) static STRESS: LoadRow = LoadRow {
    name: "stress_cpu",
    on_hosts: &[(HostShare::Half, "stress_cpu_half"), (HostShare::Short, "stress_cpu_short")],
    tool: &tool::STRESS,
    kind: &KIND,
    arguments,
};

pub(super) static STRESS_NG: LoadRow = LoadRow {
    name: "stress_ng_cpu",
    on_hosts: &[(HostShare::Half, "stress_ng_cpu_half"), (HostShare::Short, "stress_ng_cpu_short")],
    tool: &tool::STRESS_NG,
    kind: &KIND,
    arguments,
};

static KIND: LoadKind = LoadKind {
    in_guest: |profile| size(profile.cpu_workers),
    guest_text: |_| String::new(),
    on_host,
    host_text: |share| match share {
        HostShare::Half => "workers on half of its CPUs, at least one",
        HostShare::Short => "3/2 as many workers as it has CPUs (rounded up, at least one more)",
    },
    basis: |room| format!("{:.2} CPUs", f64::from(room.cpu_percent) / 100.0),
};

fn arguments(size: &LoadSize) -> Vec<String> {
    words([("--cpu", size.workers.to_string())])
}

fn on_host(share: HostShare, room: &Room) -> LoadSize {
    let cpus = room.cpus();
    size(match share {
        HostShare::Half => (cpus / 2).max(1),
        HostShare::Short => (cpus * 3).div_ceil(2).max(cpus + 1),
    })
}

fn size(workers: u32) -> LoadSize {
    LoadSize { workers, each: Bytes(0), signs: Signs::default() }
}
