//! Memory load: workers that write to all of their memory again and again, so that its pages stay dirty.

use super::row::{HostShare, LoadKind, LoadRow, LoadSize, Room, Signs, total, words};
use super::tool;
use crate::scenario::Bytes;

pub(super) static STRESS: LoadRow = LoadRow {
    name: "stress_memory",
    on_hosts: &[(HostShare::Half, "stress_memory_half"), (HostShare::Short, "stress_memory_short")],
    tool: &tool::STRESS,
    kind: &KIND,
    arguments: |size| arguments(size.workers, size.each),
};

pub(super) static STRESS_NG: LoadRow = LoadRow {
    name: "stress_ng_memory",
    on_hosts: &[(HostShare::Half, "stress_ng_memory_half"), (HostShare::Short, "stress_ng_memory_short")],
    tool: &tool::STRESS_NG,
    kind: &KIND,
    // `stress` takes the size per worker. `stress-ng` documents the same, but its `stress-vm.c` divides the value by the
    // number of workers, so it gets the sum: with the plain value the two tools' scenarios would differ by that factor.
    arguments: |size| arguments(size.workers, size.total()),
};

static KIND: LoadKind = LoadKind {
    in_guest: |profile| {
        let (workers, each) = (profile.memory_workers, profile.memory_bytes);
        LoadSize {
            workers,
            each,
            signs: Signs { resident: most_of(total(workers, each)), ..Signs::default() },
        }
    },
    guest_text: |profile| format!(" ({} for each worker)", profile.memory_bytes),
    on_host,
    host_text: |share| match share {
        HostShare::Half => "half of the memory that it has left after its guests",
        HostShare::Short => "5/4 of the memory that it has left after its guests",
    },
    basis: |room| format!("{} MiB of memory that its guests and daemons leave", room.memory_left.0 >> 20),
};

fn arguments(workers: u32, bytes: Bytes) -> Vec<String> {
    let mut words = words([("--vm", workers.to_string()), ("--vm-bytes", bytes.for_stress())]);
    words.push("--vm-keep".to_owned());
    words
}

/// The load of a host, with a worker for each CPU. With [`HostShare::Short`] the host swaps, or its kernel kills.
fn on_host(share: HostShare, room: &Room) -> LoadSize {
    let (workers, left) = (room.cpus(), room.memory_left.0);
    let wanted = match share {
        HostShare::Half => left / 2,
        HostShare::Short => left / 4 * 5,
    };
    // Both tools refuse zero bytes, and work in whole pages.
    let each = Bytes(((wanted / u64::from(workers)) & !4095).max(1 << 20));
    let signs = match share {
        HostShare::Half => Signs { resident: most_of(total(workers, each)), ..Signs::default() },
        // A load that asks for more than there is never gets it: with half of the rest it is at work.
        HostShare::Short => Signs { resident: Bytes(left / 2), comes_and_goes: true, ..Signs::default() },
    };
    LoadSize { workers, each, signs }
}

/// Nine tenths of a size, because a page or two may not be resident yet.
fn most_of(total: Bytes) -> Bytes {
    Bytes(total.0 / 10 * 9)
}
