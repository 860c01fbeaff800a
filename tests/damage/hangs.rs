//! Damage in which something answers no more: daemons, guests and our programs that are stopped, and storage that is gone.

use std::time::Duration;

use multivm::check::{
    clock, connection, copies, kernel_log, leftovers, load, memory, migration, placement, reachable,
};
use multivm::record::{DomainEvent, Event};
use multivm::scenario::{Bytes, Profile};
use multivm_fixtures::selftest::{
    Damage, ExpectedFinding, HOSTS, end_host, end_nfs_server, finding, halt_host,
};

use crate::shared::{
    COPIES_UNKNOWN, ENDS_SOON, LIMIT, LOAD_UNANSWERED, LOOK_UNANSWERED, NO_NEW_CONNECTION, NOT_RECOVERED,
    PROBES_UNANSWERED, TO_VM1, VM1_UNDEFINED, VM2_UNDEFINED, WITNESS_UNHEARD, WRITERS_UNKNOWN,
    checks_have_ended, impatient, in_guest, on_both, on_host,
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
            finding(&placement::ABOUT, "vm1", "cannot ask target which guests run"),
            finding(&placement::ABOUT, "vm2", "cannot ask target which guests run"),
            VM1_UNDEFINED,
            VM2_UNDEFINED,
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
            finding(&placement::ABOUT, "vm1", "cannot ask target which guests run").perhaps(WAITS_FOR_INIT),
            finding(&placement::ABOUT, "vm2", "cannot ask target which guests run").perhaps(WAITS_FOR_INIT),
            VM1_UNDEFINED.perhaps(WAITS_FOR_INIT),
            VM2_UNDEFINED.perhaps(WAITS_FOR_INIT),
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
            LOOK_UNANSWERED,
            NOT_RECOVERED.perhaps("its way back may begin before it is silent for long"),
            finding(&migration::ABOUT, "vm1", "the maximum downtime of vm1")
                .or("migrate vm1 on target to source: ")
                .perhaps("it cannot go back, if it is to go"),
            finding(&placement::ABOUT, "vm1", "cannot ask target which guests run").perhaps(NO_MONITOR),
            VM1_UNDEFINED.perhaps(NO_MONITOR),
            COPIES_UNKNOWN.perhaps(NO_MONITOR),
            NO_NEW_CONNECTION,
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
            finding(&kernel_log::ABOUT, HOSTS, "cannot ask our program on target")
                .up_to(2)
                .perhaps("a look at the host may wait behind the question without an answer"),
            WRITERS_UNKNOWN.perhaps(ENDS_SOON),
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

/// Why a libvirtd may not answer.
const WAITS_FOR_INIT: &str = "its libvirtd waits for a QEMU that has ended";
const NO_MONITOR: &str = "its QEMU does not answer libvirt";

/// Why a guest without a disk may not answer, or not in time.
const NO_DISK: &str = "a guest waits for its disk";

const fn waits(
    about: &'static multivm::check::About,
    guest: &'static str,
    words: &'static str,
) -> ExpectedFinding {
    finding(about, guest, words).perhaps(NO_DISK)
}

const fn left_by_migration(words: &'static str) -> ExpectedFinding {
    finding(&placement::ABOUT, "vm1", words).perhaps("a migration that hangs may leave it anywhere")
}

/// Guests wait for their disks until somebody asks them, which may be soon or late.
const DISK_HANGS: &[ExpectedFinding] = &[
    finding(&migration::ABOUT, "vm1", "timeout: not complete after "),
    left_by_migration("active but not running on source"),
    left_by_migration("active but not running on target"),
    left_by_migration("cannot ask source which guests run"),
    VM1_UNDEFINED.perhaps(NO_DISK),
    VM2_UNDEFINED.perhaps(NO_DISK),
    COPIES_UNKNOWN.perhaps("libvirt may answer nothing about a guest that hangs"),
    on_both("vm1"),
    WRITERS_UNKNOWN.perhaps(NO_DISK),
    waits(&clock::ABOUT, "vm1", "moved by -"),
    waits(&reachable::ABOUT, "vm1", "longest gap "),
    waits(&reachable::ABOUT, "vm1", "cannot "),
    waits(&connection::ABOUT, "vm1", "lost: "),
    waits(&connection::ABOUT, "vm1", "an answer of vm1 to a new TCP connection"),
    waits(&kernel_log::ABOUT, "vm1", "hung task"),
    waits(&kernel_log::ABOUT, "vm1", "I/O error"),
    waits(&memory::ABOUT, "vm1", "not known: "),
    waits(&load::ABOUT, "vm1", "not known: "),
    waits(&reachable::ABOUT, "vm2", "longest gap "),
    waits(&reachable::ABOUT, "vm2", "cannot "),
    waits(&connection::ABOUT, "vm2", "lost: "),
    waits(&connection::ABOUT, "vm2", "an answer of vm2 to a new TCP connection"),
    waits(&kernel_log::ABOUT, "vm2", "hung task"),
    waits(&kernel_log::ABOUT, "vm2", "I/O error"),
    waits(&memory::ABOUT, "vm2", "not known: "),
    waits(&load::ABOUT, "vm2", "not known: "),
];
