//! Damage in which something answers no more: daemons, guests and our programs that are stopped, and storage that is gone.

use std::time::Duration;

use multivm::check::{connection, copies, kernel_log, leftovers, load, memory, migration, storage};
use multivm::record::Event;
use multivm::scenario::{Bytes, Direction, Profile};
use multivm_fixtures::selftest::{
    Damage, ExpectedFinding, HOSTS, end_host, end_nfs_server, finding, halt_host,
};

use crate::shared::{
    COPIES_UNKNOWN, LIMIT, NOT_RECOVERED, PROBES_UNANSWERED, TO_VM1, WRITERS_UNKNOWN, checks_have_ended,
    impatient, in_guest, on_both, on_host, vm1_is_under_way,
};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::libvirtd_of_target_hangs",
        breaks_ground: true,
        profile: short_of_time,
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP libvirtd"),
        finds: &[
            // Perhaps before it is ordered.
            finding(&migration::ABOUT, "vm2", "timeout: not complete after ")
                .or("on target: no answer within "),
            COPIES_UNKNOWN,
            on_both("vm2"),
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
            finding(&leftovers::ABOUT, HOSTS, "on target: ")
                .saying(&["process "])
                .perhaps("what has ended is still there"),
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
        name: "damage::mounts_are_refused_for_12_s",
        // Whoever has an image open goes on. It begins when no guest moves any more: one that is to be received could not be.
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm2"),
        at_once: true,
        cause: |fleet| {
            fleet
                .storage
                .remote
                .check("pkill -STOP rpcbind && sleep 12; pkill -CONT rpcbind", LIMIT)
                .map(drop)
        },
        finds: &[finding(&storage::ABOUT, HOSTS, "no answer for 1")],
        ..TO_VM1
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
            PROBES_UNANSWERED,
            NOT_RECOVERED.perhaps("its way back may begin before it is silent for long"),
            finding(&migration::ABOUT, "vm1", "the maximum downtime of vm1")
                .or("migrate vm1 on target to source: ")
                .perhaps("it cannot go back, if it is to go"),
            COPIES_UNKNOWN.perhaps("its QEMU does not answer libvirt"),
        ],
        ..TO_SLOW
    },
    Damage {
        name: "damage::agent_hangs_on_host",
        breaks_ground: true,
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP multivm-agent"),
        finds: &[
            finding(&leftovers::ABOUT, HOSTS, "process multivm-agent (pid "),
            finding(&kernel_log::ABOUT, HOSTS, "cannot ask our program on target")
                .up_to(2)
                .perhaps("a look at the host may wait behind the question without an answer"),
            WRITERS_UNKNOWN.perhaps("the scenario may end before the watch was blind for too long"),
        ],
        ..TO_SLOW
    },
    Damage {
        name: "damage::witness_hangs",
        breaks_ground: true,
        cause: |fleet| in_guest(fleet, "killall -STOP multivm-witness").map(drop),
        finds: &[
            finding(&memory::ABOUT, "vm1", "cannot ask `witness").each_move(),
            // The question is asked again over another connection.
            finding(&connection::ABOUT, "vm1", "lost: "),
            finding(&load::ABOUT, "vm1", "another question is under way")
                .up_to(3)
                .perhaps("a question waits behind one without an answer"),
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

/// The storage stops answering while vm1 moves. Nothing converges at that speed, so that the clean scenario has another.
const TO_STORAGE: Damage = Damage {
    breaks_ground: true,
    profile: slow_to_go,
    then_profile: Some(impatient),
    when: vm1_is_under_way,
    ..TO_SLOW
};

/// Guests wait for their disks until somebody asks them, which may be soon or late: the storage explains all of that.
const DISK_HANGS: &[ExpectedFinding] = &[
    finding(&migration::ABOUT, "vm1", "timeout: not complete after "),
    finding(&storage::ABOUT, HOSTS, ", and at the end: "),
    on_both("vm1"),
];
