//! I/O load: workers that write files, remove them and begin anew, and wait for the disk after each write.
//!
//! I/O has no [`HostShare::Short`]: a full storage does not slow guests down, it stops them.

use super::row::{HostShare, LoadKind, LoadRow, LoadSize, Signs, words};
use super::tool;
use crate::scenario::Bytes;

pub(super) static STRESS: LoadRow = LoadRow {
    name: "stress_io",
    on_hosts: &[(HostShare::Half, "stress_io_half")],
    tool: &tool::STRESS,
    kind: &KIND,
    arguments: |size| arguments(size, size.each),
};

pub(super) static STRESS_NG: LoadRow = LoadRow {
    name: "stress_ng_io",
    on_hosts: &[(HostShare::Half, "stress_ng_io_half")],
    tool: &tool::STRESS_NG,
    kind: &KIND,
    // `stress` writes 1 MiB at a time, and takes the bytes of one worker. `stress-ng` writes 64 KiB, and takes the bytes of
    // all.
    arguments: |size| {
        let one_write = words([("--hdd-write-size", "1M".to_owned())]);
        [arguments(size, size.total()), one_write].concat()
    },
};

static KIND: LoadKind = LoadKind {
    in_guest: |profile| size(profile.memory_workers, profile.memory_bytes),
    guest_text: |_| ", its files on the guest's own disk".to_owned(),
    on_host: |_, room| size((room.cpus() / 2).max(1), FILE),
    host_text: |_| "workers on half of its CPUs, at least one, each with a file of 256MiB on the storage that guests use",
    basis: |room| format!("{:.2} CPUs", f64::from(room.cpu_percent) / 100.0),
};

/// The file size of each worker on a host: a small part of a storage that holds images of guests. The size does not
/// determine the load, because every write waits for the disk.
const FILE: Bytes = Bytes(256 << 20);

fn arguments(size: &LoadSize, bytes: Bytes) -> Vec<String> {
    words([("--hdd", size.workers.to_string()), ("--hdd-bytes", bytes.for_stress())])
}

fn size(workers: u32, each: Bytes) -> LoadSize {
    LoadSize { workers, each, signs: Signs { writes: true, ..Signs::default() } }
}
