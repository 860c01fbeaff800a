//! Damage to hosts: their kernels, daemons, hooks and firewalls, and what is left behind on them.

use multivm::check::{kernel_log, leftovers, migration, overlap, qemu};
use multivm::failure::Result;
use multivm::guest::Fleet;
use multivm::host::Host;
use multivm::record::Event;
use multivm_fixtures::selftest::{Damage, HOSTS, end_host, end_libvirtd, finding, hook, unhook};

use crate::shared::{
    COPIES_UNKNOWN, LETS_GO_LATE, NOT_RECOVERED, PROBES_UNANSWERED, TO_ALL, TO_VM1, WRITERS_UNKNOWN,
    checks_have_ended, disk_fails, disk_goes, on_both, on_host, on_storage,
};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::host_kernel_kills_for_want_of_memory",
        // It takes as long as a short scenario.
        at_once: true,
        cause: |fleet| kill_for_want_of_memory(&fleet.hosts.target),
        finds: &[finding(&kernel_log::ABOUT, HOSTS, "killed: tail")],
        ..TO_VM1
    },
    Damage {
        name: "damage::agent_killed_on_host",
        slow: true,
        breaks_ground: true,
        // It is asked over another connection from then on, which is no finding: no guest has anything to do with it.
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -KILL multivm-agent"),
        ..TO_VM1
    },
    Damage {
        name: "damage::libvirtd_of_target_killed",
        breaks_ground: true,
        cause: |fleet| end_libvirtd(&fleet.hosts.target),
        finds: &[finding(&migration::ABOUT, "vm2", "target"), COPIES_UNKNOWN, on_both("vm2")],
        ..TO_VM1
    },
    Damage {
        name: "damage::target_lost",
        slow: true,
        breaks_ground: true,
        // Its init ends, and with it everything in the host.
        cause: |_| end_host("target"),
        finds: &[
            finding(&migration::ABOUT, "vm2", "target").or("timeout: not complete after "),
            NOT_RECOVERED,
            PROBES_UNANSWERED,
            finding(&kernel_log::ABOUT, HOSTS, "cannot log in to target"),
            COPIES_UNKNOWN,
            WRITERS_UNKNOWN,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::target_refuses_every_guest",
        breaks_ground: true,
        cause: refuse_every_guest,
        finds: &[finding(&migration::ABOUT, "vm1", "VIR_ERR_CONFIG_UNSUPPORTED")],
        ..TO_ALL
    },
    Damage {
        name: "damage::target_refuses_every_guest_and_not_the_transport",
        scenario: "precopy_compressed::in_vms::stress_cpu",
        cause: refuse_every_guest,
        finds: &[finding(&migration::ABOUT, "vm1", "a plain migration source to target fails, too")],
        ..TO_ALL
    },
    Damage {
        name: "damage::target_cannot_prepare_a_guest",
        like: Some("damage::target_refuses_every_guest"),
        cause: |fleet| hook(&fleet.hosts.target, r#"[ "$2" != "prepare" ]"#),
        finds: &[finding(&migration::ABOUT, "vm1", "Hook script execution failed")],
        ..TO_ALL
    },
    Damage {
        // Guests that boot while they cannot move have a boot of their own to be judged by, and not the one before.
        name: "damage::target_cannot_prepare_a_guest_that_boots",
        like: Some("damage::target_refuses_every_guest"),
        scenario: "precopy_simultaneous::booting::migrated_vms",
        cause: |fleet| hook(&fleet.hosts.target, r#"[ "$2" != "prepare" ]"#),
        finds: &[
            finding(&migration::ABOUT, "vm1", "Hook script execution failed"),
            finding(&migration::ABOUT, "vm2", "Hook script execution failed"),
        ],
        ..TO_ALL
    },
    Damage {
        name: "damage::target_takes_one_guest_at_a_time",
        scenario: "precopy_simultaneous::in_vms::stress_cpu",
        cause: |fleet| hook(&fleet.hosts.target, ONE_AT_A_TIME),
        finds: &[finding(&overlap::ABOUT, HOSTS, "one after the other")],
        ..TO_ALL
    },
    Damage {
        name: "damage::guests_cross_one_after_the_other",
        like: Some("damage::target_takes_one_guest_at_a_time"),
        scenario: "precopy_cross::in_vms::stress_cpu",
        cause: |fleet| hook(&fleet.hosts.source, COMES_WHEN_NONE_GOES),
        undo: |fleet| unhook(&fleet.hosts.source),
        finds: &[finding(&overlap::ABOUT, HOSTS, "one after the other")],
        ..TO_ALL
    },
    Damage {
        // The one that goes first has sent everything before the other one begins, and its call returns only later.
        name: "damage::nothing_shows_that_guests_move_at_once",
        like: Some("damage::target_takes_one_guest_at_a_time"),
        scenario: "precopy_simultaneous::in_vms::stress_cpu",
        cause: |fleet| on_every_host(fleet, |host| hook(host, &format!("{LETS_GO_LATE}{ONE_AT_A_TIME}"))),
        undo: |fleet| on_every_host(fleet, unhook),
        finds: &[finding(&overlap::ABOUT, HOSTS, "not known of any step of several migrations, 2 in all; ")
            .saying(&["guest 1 from ", "guest 2 from ", " s (seen from "])],
        ..TO_ALL
    },
    Damage {
        name: "damage::target_takes_no_connection",
        slow: true,
        cause: |fleet| {
            // libvirt's ports for migrations.
            let refuse = "nft add table inet selftest && nft add chain inet selftest in '{ type filter hook input priority 0; }' && \
                          nft add rule inet selftest in tcp dport 49152-49215 reject with tcp reset";
            on_host(&fleet.hosts.target, refuse)
        },
        breaks_ground: true,
        finds: &[
            finding(&migration::ABOUT, "vm1", "Connection refused"),
            finding(&leftovers::ABOUT, HOSTS, "packet filter: table inet selftest"),
        ],
        ..TO_ALL
    },
    Damage {
        name: "damage::disk_of_a_host_fails",
        cause: |fleet| on_host(&fleet.hosts.target, &disk_fails("/var/tmp")),
        undo: |fleet| on_host(&fleet.hosts.target, &disk_goes("/var/tmp")),
        finds: &[finding(&kernel_log::ABOUT, HOSTS, "error, dev loop").up_to(3)],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_kernel_kills_after_the_last_look",
        like: Some("damage::host_kernel_kills_for_want_of_memory"),
        when: |event| matches!(event, Event::ChecksHeld { held, .. } if held.iter().any(|(check, _)| *check == leftovers::ABOUT.id)),
        at_once: true,
        cause: |fleet| kill_for_want_of_memory(&fleet.hosts.target),
        finds: &[finding(&kernel_log::ABOUT, HOSTS, "killed: tail")],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_kernel_kills_between_two_scenarios",
        slow: true,
        when: checks_have_ended,
        at_once: true,
        cause: |fleet| kill_for_want_of_memory(&fleet.hosts.target),
        finds: &[],
        then_finds: &[finding(&kernel_log::ABOUT, HOSTS, "killed: tail")],
        ..TO_VM1
    },
    Damage {
        name: "damage::qemu_aborts_between_two_scenarios",
        // The guest is made anew for the next scenario, which has to say why.
        when: checks_have_ended,
        at_once: true,
        cause: |fleet| {
            let abort = "pid=$(pgrep -o -f guest=vm2,) && kill -ABRT $pid && while kill -0 $pid; do sleep 0.1; done; sleep 1";
            on_host(&fleet.hosts.source, abort)
        },
        finds: &[],
        then_finds: &[finding(&qemu::ABOUT, "vm2", ", between the last scenario and this one")],
        ..TO_VM1
    },
    Damage {
        name: "damage::things_left_behind",
        // As a hook of libvirt might, with every start of a guest.
        cause: |fleet| {
            let left = "ip tuntap add dev left0 mode tap && ip link add left1 type veth peer name left2 && \
                        touch /run/libvirt/qemu/left && mkdir -p /var/lib/libvirt/qemu/left && for stays in 'sleep 120' 'nc -l 4444' 'nc -u -l 4446'; do \
                        setsid -f timeout 120 $stays < /dev/null > /dev/null 2>&1; done";
            on_host(&fleet.hosts.target, left)
        },
        finds: &[finding(&leftovers::ABOUT, HOSTS, "process sleep (pid ").saying(LEFT)],
        ..TO_VM1
    },
    Damage {
        name: "damage::settings_left_behind",
        like: Some("damage::things_left_behind"),
        // As a hook does that forwards a port to a guest, or shares memory with it, and forgets the end of the guest. No process
        // has them.
        cause: |fleet| {
            let left = "mkdir -p /mnt/left && mount -t tmpfs left /mnt/left && ip netns add left && \
                        nft add table inet left && nft add chain inet left in && nft add rule inet left in tcp dport 4447 counter drop && \
                        ip route add 203.0.113.0/24 dev br0 && touch /dev/shm/left";
            on_host(&fleet.hosts.target, left)
        },
        breaks_ground: true,
        finds: &[finding(&leftovers::ABOUT, HOSTS, "mount of tmpfs at /mnt/left").saying(LEFT_SETTINGS)],
        ..TO_VM1
    },
    Damage {
        name: "damage::definitions_left_behind",
        like: Some("damage::things_left_behind"),
        // As a hook does that defines a network or a helper for a guest, and forgets them.
        cause: |fleet| on_host(&fleet.hosts.target, DEFINES),
        undo: |fleet| on_host(&fleet.hosts.target, UNDEFINES),
        breaks_ground: true,
        finds: &[finding(&leftovers::ABOUT, HOSTS, "file /etc/libvirt/qemu/left.xml").saying(DEFINED)],
        ..TO_VM1
    },
    Damage {
        name: "damage::files_fill_memory_of_a_host",
        slow: true,
        breaks_ground: true,
        // As a log does that nobody turns: guests that come later would find less memory there.
        cause: |fleet| on_host(&fleet.hosts.target, "dd if=/dev/zero of=/run/fill bs=1M count=400"),
        finds: &[finding(&leftovers::ABOUT, HOSTS, "on target: file /run/fill")],
        then: "precopy_simultaneous::in_vms::stress_memory",
        ..TO_VM1
    },
    Damage {
        name: "damage::ways_to_guests_left_behind",
        slow: true,
        cause: |fleet| {
            let left = "ip route add 2001:db8::/32 dev br0 && ip route add 192.0.2.0/24 dev br0 table 77 && \
                        ip rule add from 192.0.2.9 lookup 77 priority 100 && ip address add 203.0.113.9/32 dev br0 && \
                        ipcmk -M 4096 && touch /var/tmp/left && tc qdisc add dev br0 root pfifo && \
                        bridge fdb add 52:54:00:ff:ff:ff dev eth0 master static";
            on_host(&fleet.hosts.target, left)
        },
        breaks_ground: true,
        finds: &[finding(&leftovers::ABOUT, HOSTS, "address 203.0.113.9/32 of br0").saying(LEFT_WAYS)],
        ..TO_VM1
    },
    Damage {
        name: "damage::things_left_behind_on_the_server",
        like: Some("damage::things_left_behind"),
        cause: |fleet| {
            on_storage(fleet, "touch left; setsid -f timeout 120 sleep 120 < /dev/null > /dev/null 2>&1")
        },
        undo: |fleet| on_storage(fleet, "rm left; pkill -f 'timeout 120'"),
        finds: &[finding(&leftovers::ABOUT, HOSTS, "process sleep (pid ")
            .saying(&["on storage", "file /export/left"])],
        ..TO_VM1
    },
    Damage {
        name: "damage::clients_that_stay",
        slow: true,
        cause: |fleet| {
            let stay = "for number in $(seq 20); do \
                        setsid -f timeout 120 virsh event --all --loop < /dev/null > /dev/null 2>&1; done";
            on_host(&fleet.hosts.source, stay)
        },
        finds: &[
            finding(&leftovers::ABOUT, HOSTS, "process virsh (pid "),
            finding(&leftovers::ABOUT, HOSTS, " file descriptors, "),
        ],
        ..TO_VM1
    },
];

/// What is left behind beside a process, in the same finding.
const LEFT: &[&str] = &[
    "link left0",
    "link left1",
    "file /run/libvirt/qemu/left",
    "folder /var/lib/libvirt/qemu/left/",
    "listening socket, tcp port 4444 (pid ",
    "listening socket, udp port 4446 (pid ",
];

/// What is left set beside a mount, in the same finding.
const LEFT_SETTINGS: &[&str] = &[
    "mount of nsfs at /run/netns/left",
    "packet filter: table inet left, chain in: tcp dport 4447",
    "route to 203.0.113.0/24 dev br0",
    "file /dev/shm/left",
];

/// What somebody defines in libvirt.
const DEFINES: &str = r#"set -e; cd /run; echo "<domain type='qemu'><name>left</name><memory>65536</memory><os><type>hvm</type></os></domain>" > defines.xml
virsh define defines.xml; virsh autostart left
echo '<network><name>left</name></network>' > defines.xml; virsh net-define defines.xml
echo "<pool type='dir'><name>left</name><target><path>/run</path></target></pool>" > defines.xml; virsh pool-define defines.xml
echo "<filter name='left'/>" > defines.xml; virsh nwfilter-define defines.xml; rm defines.xml
echo 1 > /proc/sys/net/ipv4/ip_forward; touch /etc/libvirt/left /var/log/libvirt/qemu/left
"#;

const UNDEFINES: &str = "rm /etc/libvirt/left /var/log/libvirt/qemu/left; virsh undefine left; virsh net-undefine left; virsh pool-undefine left; \
     virsh nwfilter-undefine left";

/// What is left beside a domain, in the same finding.
const DEFINED: &[&str] = &[
    "file /etc/libvirt/qemu/autostart/left.xml",
    "file /etc/libvirt/qemu/networks/left.xml",
    "file /etc/libvirt/nwfilter/left.xml",
    "file /etc/libvirt/storage/left.xml",
    "file /etc/libvirt/left",
    "file /var/log/libvirt/qemu/left",
    "net.ipv4.ip_forward = 1",
];

/// What is left beside an address, in the same finding.
const LEFT_WAYS: &[&str] = &[
    "route to 2001:db8::/32 dev br0",
    "route to 192.0.2.0/24 dev br0 table 77",
    "rule of routing 100:",
    "System V shared memory with the key ",
    "file /var/tmp/left",
    "queue pfifo of br0",
    "neighbour 52:54:00:ff:ff:ff dev eth0",
];

/// Lets a guest prepare only when no QEMU listens any more for the one before, or receives it. Who has passed holds the lock
/// meanwhile.
const ONE_AT_A_TIME: &str = r#"cat > /dev/null
[ "$2 $3" = "migrate begin" ] || exit 0
exec 9> /run/multivm-selftest.lock
flock 9
busy() { cat /proc/net/tcp /proc/net/tcp6 | grep -qE ':C0[0-3][0-9A-F] [0-9A-F]+:[0-9A-F]{4} (01|0A) '; }
( tries=200; until busy || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done; while busy; do sleep 0.1; done ) < /dev/null > /dev/null 2>&1 &
"#;

/// Runs something on source and target.
fn on_every_host(fleet: &Fleet, run: impl Fn(&Host) -> Result<()>) -> Result<()> {
    [&fleet.hosts.source, &fleet.hosts.target].into_iter().try_for_each(run)
}

/// Lets vm2 prepare to come home only when no QEMU sends any more what goes out meanwhile.
const COMES_WHEN_NONE_GOES: &str = r#"cat > /dev/null
[ "$1 $2 $3" = "vm2 migrate begin" ] || exit 0
sends() { cat /proc/net/tcp /proc/net/tcp6 | grep -qE ' [0-9A-F]+:C0[0-3][0-9A-F] 01 '; }
tries=200; until sends || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done; while sends; do sleep 0.1; done
"#;

/// Makes the target's libvirt change the number of processors of every guest that comes, which it then refuses to take.
fn refuse_every_guest(fleet: &Fleet) -> Result<()> {
    let script = r#"[ "$2 $3" = "migrate begin" ] && sed "s|<vcpu.*</vcpu>|<vcpu>3</vcpu>|"; exit 0"#;
    hook(&fleet.hosts.target, script)
}

/// The kernel kills a process of a host.
fn kill_for_want_of_memory(host: &Host) -> Result<()> {
    // A line that is longer than the memory that the host has: tail is killed while it keeps it.
    let script = format!(
        "echo 1000 > /proc/self/oom_score_adj; ! head -c {} /dev/zero | tail -n 1 > /dev/null",
        2 * host.entry.memory
    );
    on_host(host, &script)
}
