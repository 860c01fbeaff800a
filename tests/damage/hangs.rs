//! Damage in which something answers no more: daemons, guests and our programs that are stopped, and storage that is gone.

use std::time::Duration;

use multivm::check::{
    clock, connection, copies, disk, kernel_log, leftovers, live, load, memory, migration, placement,
    reachable, writers,
};
use multivm::record::{DomainEvent, Event};
use multivm::scenario::{Bytes, Profile};
use multivm_fixtures::selftest::{
    Damage, ExpectedFinding, HOSTS, end_host, end_nfs_server, finding, halt_host, may_find,
};

use crate::shared::{
    COPIES_UNKNOWN, LIMIT, LOAD_UNANSWERED, MISSED_TWICE, NOT_RECOVERED, TO_VM1, VM1_UNDEFINED,
    VM2_UNDEFINED, WITNESS_UNHEARD, checks_have_ended, impatient, in_guest, on_host,
};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::libvirtd_of_target_hangs",
        breaks_ground: true,
        profile: short_of_time,
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP libvirtd"),
        finds: &[
            finding(&migration::ABOUT, "vm2", ""),
            may_find(&placement::ABOUT, "vm1", "the host does not answer").repeated(),
            may_find(&placement::ABOUT, "vm2", "the host does not answer").repeated(),
            VM1_UNDEFINED,
            VM2_UNDEFINED,
            COPIES_UNKNOWN,
            may_find(&writers::ABOUT, "vm2", "the QEMU that was to receive it stays, and has its image open"),
        ],
        ..TO_SLOW
    },
    Damage {
        name: "damage::init_of_target_hangs",
        // No QEMU that ends there is taken away any more, and libvirtd waits for each as long as it may. It answers all the same.
        breaks_ground: true,
        cause: |_| halt_host("target"),
        finds: &[
            finding(&copies::ABOUT, HOSTS, "list domains on target: no answer"),
            may_find(&placement::ABOUT, "vm1", "its libvirtd waits for a QEMU that has ended").repeated(),
            may_find(&placement::ABOUT, "vm2", "its libvirtd waits for a QEMU that has ended").repeated(),
            VM1_UNDEFINED,
            VM2_UNDEFINED,
            may_find(&leftovers::ABOUT, HOSTS, "what has ended is still there").repeated(),
        ],
        ..TO_SLOW
    },
    Damage {
        name: "damage::nfs_server_killed_in_mid_migration",
        finds: DISK_HANGS,
        cause: end_nfs_server,
        ..TO_STORAGE
    },
    Damage {
        name: "damage::nfs_server_hangs_in_mid_migration",
        finds: DISK_HANGS,
        cause: |fleet| fleet.storage.remote.check("pkill -STOP ganesha.nfsd", LIMIT).map(drop),
        ..TO_STORAGE
    },
    Damage {
        name: "damage::rpcbind_hangs_after_the_last_look",
        slow: true,
        breaks_ground: true,
        // Nothing of this scenario mounts the export any more, and whoever starts or receives a guest after it does.
        when: |event| matches!(event, Event::ChecksHeld { held, .. } if held.iter().any(|(check, _)| *check == leftovers::ABOUT.id)),
        at_once: true,
        cause: |fleet| fleet.storage.remote.check("pkill -STOP rpcbind", LIMIT).map(drop),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::storage_takes_no_connection_after_the_last_look",
        slow: true,
        breaks_ground: true,
        // The rule lies in the network of the switch, which outlives the hosts.
        when: checks_have_ended,
        at_once: true,
        cause: |fleet| {
            let rule = "nft add table inet selftest && \
                        nft add chain inet selftest in '{ type filter hook input priority 0; }' && \
                        nft add rule inet selftest in tcp dport 2049 drop";
            fleet.storage.remote.check(rule, LIMIT).map(drop)
        },
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::storage_lost_in_mid_migration",
        finds: DISK_HANGS,
        cause: |_| end_host("storage"),
        ..TO_STORAGE
    },
    Damage {
        name: "damage::guest_hangs_after_its_arrival",
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP -f guest=vm1,"),
        breaks_ground: true,
        finds: &[
            finding(&reachable::ABOUT, "vm1", ""),
            MISSED_TWICE,
            NOT_RECOVERED,
            may_find(&migration::ABOUT, "vm1", "it cannot go back"),
            may_find(&placement::ABOUT, "vm1", "its QEMU does not answer libvirt").repeated(),
            VM1_UNDEFINED,
            COPIES_UNKNOWN,
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_SLOW
    },
    Damage {
        name: "damage::agent_hangs_on_host",
        breaks_ground: true,
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP multivm-agent"),
        finds: &[
            finding(&leftovers::ABOUT, HOSTS, "process multivm-agent (pid "),
            may_find(
                &kernel_log::ABOUT,
                HOSTS,
                "a look at the host may wait behind the question without an answer",
            )
            .repeated(),
            may_find(&writers::ABOUT, HOSTS, "the scenario may end before the watch was blind for too long"),
            may_find(
                &leftovers::ABOUT,
                HOSTS,
                "what hangs stays beside the program that answers in its place",
            ),
            may_find(&load::ABOUT, "vm1", "a question may wait behind one without an answer").repeated(),
        ],
        ..TO_SLOW
    },
    Damage {
        name: "damage::witness_hangs",
        breaks_ground: true,
        cause: |fleet| in_guest(fleet, "killall -STOP multivm-witness").map(drop),
        finds: &[
            finding(&memory::ABOUT, "vm1", "cannot ask `witness").repeated(),
            may_find(&load::ABOUT, "vm1", "a question waits behind one without an answer").repeated(),
            may_find(&connection::ABOUT, "vm1", "a question waits behind one without an answer"),
        ],
        ..TO_SLOW
    },
];

/// What hangs is waited for, for as long as its limit says.
const TO_SLOW: Damage = Damage { slow: true, ..TO_VM1 };

/// A migration that hangs is given up soon.
fn short_of_time(profile: &mut Profile) {
    impatient(profile);
    profile.precopy_timeout = Duration::from_secs(20);
}

/// The first pass takes some seconds, and whoever waits for the migration not much longer.
fn slow_to_go(profile: &mut Profile) {
    short_of_time(profile);
    profile.bandwidth = Some(Bytes(24 << 20));
}

fn vm1_is_under_way(event: &Event) -> bool {
    matches!(event, Event::LibvirtEvent { guest: Some(guest), what: DomainEvent::Iteration { pass: 1 }, .. }
        if guest == "vm1")
}

/// The storage stops answering while vm1 moves. Nothing converges at that speed, so that the clean scenario has another.
const TO_STORAGE: Damage = Damage {
    breaks_ground: true,
    profile: slow_to_go,
    then_profile: Some(impatient),
    when: vm1_is_under_way,
    ..TO_SLOW
};

const fn waits(about: &'static multivm::check::About, guest: &'static str) -> ExpectedFinding {
    may_find(about, guest, "a guest waits for its disk").repeated()
}

/// Guests wait for their disks until somebody asks them, which may be soon or late.
const DISK_HANGS: &[ExpectedFinding] = &[
    finding(&migration::ABOUT, "vm1", ""),
    VM1_UNDEFINED,
    VM2_UNDEFINED,
    NOT_RECOVERED,
    may_find(&placement::ABOUT, "vm1", "a migration that hangs may leave it anywhere"),
    may_find(&copies::ABOUT, HOSTS, "libvirt may answer nothing about a guest that hangs"),
    may_find(&writers::ABOUT, "vm1", "the QEMU that was to receive it may stay, and have its image open"),
    waits(&writers::ABOUT, HOSTS),
    waits(&clock::ABOUT, "vm1"),
    waits(&reachable::ABOUT, "vm1"),
    waits(&connection::ABOUT, "vm1"),
    waits(&kernel_log::ABOUT, "vm1"),
    waits(&live::ABOUT, "vm1"),
    waits(&disk::ABOUT, "vm1"),
    waits(&memory::ABOUT, "vm1"),
    waits(&load::ABOUT, "vm1"),
    waits(&reachable::ABOUT, "vm2"),
    waits(&connection::ABOUT, "vm2"),
    waits(&kernel_log::ABOUT, "vm2"),
    waits(&disk::ABOUT, "vm2"),
    waits(&memory::ABOUT, "vm2"),
    waits(&load::ABOUT, "vm2"),
];
