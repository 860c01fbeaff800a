//! Damage to loads, in guests and on hosts.

use multivm::check::load;
use multivm_fixtures::selftest::{Damage, HOSTS, finding};

use crate::shared::{TO_VM1, in_guest, on_host};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::guest_load_killed",
        cause: |fleet| in_guest(fleet, "killall -KILL stress").map(drop),
        finds: &[finding(&load::ABOUT, "vm1", "resident; then: ").up_to(STEPS)],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_load_stopped",
        like: Some("damage::host_load_stopped"),
        cause: |fleet| in_guest(fleet, "killall -STOP stress").map(drop),
        finds: &[finding(&load::ABOUT, "vm1", "then: 2 processes (").up_to(STEPS)],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_load_killed",
        like: Some("damage::guest_load_killed"),
        scenario: "precopy_orderly::on_source::stress_cpu_half",
        cause: |fleet| on_host(&fleet.hosts.source, "pkill -KILL -x stress"),
        finds: &[finding(&load::ABOUT, HOSTS, "resident; then: ").up_to(STEPS)],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_load_stopped",
        scenario: "precopy_orderly::on_target::stress_ng_cpu_short",
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP stress-ng"),
        finds: &[
            // It may not have forked yet.
            finding(&load::ABOUT, HOSTS, "then: 4 processes (")
                .or("then: 1 processes (1 stopped)")
                .up_to(STEPS),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_io_load_stopped",
        like: Some("damage::host_load_stopped"),
        scenario: "precopy_orderly::in_vms::stress_ng_io",
        cause: |fleet| in_guest(fleet, "killall -STOP stress-ng-hdd").map(drop),
        finds: &[finding(&load::ABOUT, "vm1", "then: 2 processes (1 stopped)").up_to(STEPS)],
        ..TO_VM1
    },
    // From now on it writes to memory only, and removes its files before the kernel would write them to the disk. It lives, and it
    // uses more CPU time than before.
    Damage {
        name: "damage::host_io_load_writes_to_memory",
        slow: true,
        scenario: "precopy_orderly::on_source::stress_io_half",
        cause: |fleet| {
            let host = &fleet.hosts.source;
            on_host(host, &format!("chattr -S {}", host.load_folder()))
        },
        finds: &[finding(&load::ABOUT, HOSTS, " MiB on a disk; then: 2 processes (0 stopped), ").up_to(STEPS)],
        ..TO_VM1
    },
];

/// The steps that are judged by looks at the damage: the one in which it happens, perhaps the one before, whose last look was
/// under way, and perhaps the one after, which has begun when it is known.
const STEPS: usize = 3;
