//! Damage to the network of guests and to their speed.

use std::time::Duration;

use multivm::check::{connection, leftovers, recovery, speed};
use multivm::failure::Result;
use multivm::guest::{Fleet, Guest};
use multivm::record::Event;
use multivm::scenario::{Direction, Profile};
use multivm_fixtures::selftest::{Damage, ExpectedFinding, HOSTS, finding};

use crate::shared::{
    NOT_RECOVERED, PROBES_UNANSWERED, TO_VM1, impatient, in_guest, on_host, on_storage, quick_to_recover,
    vm1, vm1_is_away,
};

/// A disk of two writes a second where vm1 has arrived.
const SLOW_DISK: Damage = Damage {
    when: vm1_is_away,
    at_once: true,
    cause: |fleet| disk_limited(fleet, "--write-iops-sec 2", 6),
    finds: &[finding(&speed::ABOUT, "vm1", "disk ")],
    ..TO_VM1
};

/// What befalls the network of vm1 for 4 s of its last stay, which lasts longer.
const FOR_A_WHILE: Damage =
    Damage { profile: quick_to_recover, when: vm1_is_home, at_once: true, finds: &[], ..TO_VM1 };

/// The first frame of a connection, for nft.
const SYN: &str = "ip protocol tcp tcp flags & (syn | ack) == syn";

/// Which frames wait in a queue, for tc: ICMP messages without a long body, or all.
const SHORT_PROBES: &str = "match ip protocol 1 0xff match u16 0 0xff00 at 2";
const ALL: &str = "match u32 0 0 at 0";

/// Filters on both hosts, from the arrival of vm1 on. The look after it may come before them; the one after the way home does not.
const FILTERED: Damage = Damage { when: vm1_is_away, at_once: true, breaks_ground: true, ..TO_VM1 };
const FILTERED_ON_SOURCE: ExpectedFinding =
    finding(&leftovers::ABOUT, HOSTS, "on source: packet filter: table bridge selftest");
const FILTERED_ON_TARGET: ExpectedFinding =
    finding(&leftovers::ABOUT, HOSTS, "on target: packet filter: table bridge selftest");

/// A guest that is watched for 12 s after the last move, in the first part of which its CPU has a quota.
const THROTTLED: Damage = Damage {
    profile: |profile| {
        soon_too_slow(profile);
        profile.max_gap = Duration::from_secs(20);
        profile.max_recovery = Duration::from_secs(3);
        profile.settle = Duration::from_secs(12);
    },
    when: vm2_is_home,
    ..TO_VM1
};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::link_down_for_20_s",
        slow: true,
        cause: link_down,
        finds: &[
            PROBES_UNANSWERED,
            // It moves home meanwhile.
            NOT_RECOVERED.each_move(),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::frames_lost_for_5_s_after_arrival",
        like: Some("damage::guest_answers_no_echoes"),
        profile: quick_to_recover,
        when: vm1_is_home,
        at_once: true,
        cause: |fleet| frames_lost(fleet, "5"),
        finds: &[finding(&recovery::ABOUT, "vm1", "silent for ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::healthy_frames_lost_for_half_a_second",
        slow: true,
        profile: quick_to_recover,
        when: vm1_is_home,
        at_once: true,
        cause: |fleet| frames_lost(fleet, "0.5"),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::frames_dropped_after_arrival",
        like: Some("damage::frames_dropped_for_a_part_of_a_stay"),
        // Four echoes of ten, so that no silence is long, and nothing else, so that no answer comes late.
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| {
            let drop = filter(fleet, "ip protocol icmp numgen random mod 10 < 4 drop");
            on_host(&fleet.hosts.target, &format!("{drop} && sleep 4"))
        },
        breaks_ground: true,
        finds: &[
            finding(&recovery::ABOUT, "vm1", " probes were lost"),
            finding(&leftovers::ABOUT, HOSTS, "packet filter: table bridge selftest"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::frames_dropped_for_a_part_of_a_stay",
        cause: |fleet| {
            let drop = filter(fleet, "ip protocol icmp numgen random mod 10 < 3 drop");
            on_host(&fleet.hosts.source, &format!("{drop} && sleep 4; nft delete table bridge selftest"))
        },
        finds: &[finding(&recovery::ABOUT, "vm1", " probes were lost")],
        ..FOR_A_WHILE
    },
    Damage {
        name: "damage::network_is_late_for_a_part_of_a_stay",
        // Somewhat fewer probes pass than are sent, and the rest waits for half a second.
        cause: |fleet| queued(fleet, SHORT_PROBES, "36kbit", 2250),
        finds: &[finding(&recovery::ABOUT, "vm1", "answers within ")],
        ..FOR_A_WHILE
    },
    Damage {
        name: "damage::network_is_late_in_a_short_stay",
        like: Some("damage::network_is_late_for_a_part_of_a_stay"),
        // About 1.3 s are heard of vm2 at home, where what waits for it at its arrival makes everything late that follows.
        profile: |profile| {
            quick_to_recover(profile);
            profile.settle = Duration::from_millis(1800);
        },
        when: |event| matches!(event, Event::LegStarted { guest, direction: Direction::Back, .. } if guest == "vm2"),
        cause: late_at_home,
        undo: |fleet| {
            on_host(&fleet.hosts.source, &format!("{}; tc qdisc del dev $tap root", tap(&fleet.guests[1])))
        },
        finds: &[
            // On a busy host it may last for the 2 s of a stay that is judged alone.
            finding(&recovery::ABOUT, "vm2", "1 short stay on the source, ").or("answers within "),
            finding(&leftovers::ABOUT, HOSTS, "queue htb of ")
                .perhaps("the queue is there until the scenario is over"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::healthy_network_is_late_by_40_ms",
        slow: true,
        cause: |fleet| queued(fleet, SHORT_PROBES, "40kbit", 200),
        finds: &[],
        ..FOR_A_WHILE
    },
    Damage {
        name: "damage::network_of_1_mbit_for_a_part_of_a_stay",
        like: Some("damage::network_is_late_for_a_part_of_a_stay"),
        cause: |fleet| queued(fleet, ALL, "1mbit", 100_000),
        finds: &[finding(&recovery::ABOUT, "vm1", " KiB at once within ")],
        ..FOR_A_WHILE
    },
    Damage {
        name: "damage::healthy_network_of_20_mbit",
        slow: true,
        cause: |fleet| queued(fleet, ALL, "20mbit", 100_000),
        finds: &[],
        ..FOR_A_WHILE
    },
    Damage {
        name: "damage::new_connections_dropped_after_arrival",
        like: Some("damage::tcp_connection_reset"),
        cause: |fleet| dropped(fleet, &format!("ip daddr {} {SYN} drop", fleet.guests[0].address)),
        finds: &[
            finding(&connection::ABOUT, "vm1", "an answer of vm1 to a new TCP connection").each_move(),
            FILTERED_ON_SOURCE,
            FILTERED_ON_TARGET,
        ],
        ..FILTERED
    },
    Damage {
        name: "damage::guests_kept_apart_after_arrival",
        like: Some("damage::tcp_connection_reset"),
        // What multivm asks for passes, and what vm2 answers to vm1 does not: neither guest opens a connection to the other.
        cause: |fleet| {
            let [vm1, vm2] = [0, 1].map(|number| &fleet.guests[number].mac);
            dropped(fleet, &format!("ether saddr {vm2} ether daddr {vm1} drop"))
        },
        finds: &[
            finding(&connection::ABOUT, "vm1", "an answer of vm2 to a TCP connection of vm1").each_move(),
            finding(&connection::ABOUT, "vm2", "an answer of vm1 to a TCP connection of vm2").each_move(),
            FILTERED_ON_SOURCE,
            FILTERED_ON_TARGET,
        ],
        ..FILTERED
    },
    Damage {
        name: "damage::guest_opens_no_connection_after_arrival",
        like: Some("damage::tcp_connection_reset"),
        cause: |fleet| dropped(fleet, &format!("ip saddr {} {SYN} drop", fleet.guests[0].address)),
        finds: &[
            finding(&connection::ABOUT, "vm1", "an answer of vm2 to a TCP connection of vm1").each_move(),
            FILTERED_ON_SOURCE,
            FILTERED_ON_TARGET,
        ],
        ..FILTERED
    },
    Damage {
        name: "damage::healthy_guests_kept_apart_for_a_second",
        slow: true,
        cause: |fleet| {
            let [vm1, vm2] = [0, 1].map(|number| &fleet.guests[number].mac);
            let drop = chain(&format!("'ether saddr {vm2} ether daddr {vm1} drop'"));
            let end =
                "setsid -f sh -c 'sleep 1; nft delete table bridge selftest' < /dev/null > /dev/null 2>&1";
            on_host(&fleet.hosts.target, &format!("{drop} && {end}"))
        },
        breaks_ground: false,
        finds: &[],
        ..FILTERED
    },
    Damage {
        name: "damage::healthy_every_second_new_connection_dropped",
        slow: true,
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| {
            let drop = filter(fleet, &format!("{SYN} numgen inc mod 2 0 drop"));
            let end =
                "setsid -f sh -c 'sleep 3; nft delete table bridge selftest' < /dev/null > /dev/null 2>&1";
            on_host(&fleet.hosts.target, &format!("{drop} && {end}"))
        },
        finds: &[],
        ..TO_VM1
    },
    Damage { name: "damage::disk_is_slow_after_arrival", slow: true, profile: soon_too_slow, ..SLOW_DISK },
    Damage {
        name: "damage::guest_is_throttled_after_arrival",
        slow: true,
        // Nobody moves after it: the time for which it is watched is all that it is judged by.
        profile: |profile| {
            soon_too_slow(profile);
            profile.max_gap = Duration::from_secs(20);
            profile.max_recovery = Duration::from_secs(20);
            profile.settle = Duration::from_secs(7);
        },
        when: vm2_is_home,
        cause: |fleet| {
            let script = "pid=$(pgrep -o -f guest=vm2) && for turn in 1 2 3 4 5 6 7; do kill -STOP $pid; sleep 0.95; kill -CONT $pid; \
                          sleep 0.05; done";
            on_host(&fleet.hosts.source, script)
        },
        finds: &[finding(&speed::ABOUT, "vm2", "CPU ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::disk_is_fifty_times_slower_after_arrival",
        // By the limits of a run that sets none.
        ..SLOW_DISK
    },
    Damage {
        name: "damage::disk_reads_slowly_after_arrival",
        like: Some("damage::disk_is_fifty_times_slower_after_arrival"),
        // No write of it is any slower.
        cause: |fleet| disk_limited(fleet, "--read-iops-sec 2", 6),
        finds: &[finding(&speed::ABOUT, "vm1", "disk reads ").saying(&["reads of "])],
        ..SLOW_DISK
    },
    Damage {
        name: "damage::disk_has_little_bandwidth_after_arrival",
        like: Some("damage::disk_is_fifty_times_slower_after_arrival"),
        // Small reads and writes alone would hardly be slower.
        cause: |fleet| disk_limited(fleet, "--total-bytes-sec 65536", 12),
        finds: &[finding(&speed::ABOUT, "vm1", "disk ").saying(&["64 KiB read and written in "])],
        ..SLOW_DISK
    },
    Damage {
        name: "damage::healthy_disk_has_limits",
        like: Some("damage::healthy_disk_stands_still_for_a_second"),
        // As a cloud sets them: nobody who asks for little meets them.
        cause: |fleet| disk_limited(fleet, "--total-iops-sec 200 --total-bytes-sec 4194304", 12),
        finds: &[],
        ..SLOW_DISK
    },
    Damage {
        name: "damage::healthy_disk_stands_still_for_a_second",
        profile: quick_to_recover,
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| on_storage(fleet, "pkill -STOP ganesha.nfsd && sleep 1; pkill -CONT ganesha.nfsd"),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::disk_stands_still_for_8_s_after_arrival",
        slow: true,
        // The witness reads a record before it overwrites it: it is such a read that hangs, and no write.
        profile: quick_to_recover,
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| on_storage(fleet, "pkill -STOP ganesha.nfsd && sleep 8; pkill -CONT ganesha.nfsd"),
        finds: &[finding(&speed::ABOUT, "vm1", "its disk stood still for ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_is_throttled_for_a_part_of_its_stay",
        slow: true,
        cause: |fleet| throttled(fleet, 20),
        finds: &[finding(&speed::ABOUT, "vm2", "CPU ")],
        ..THROTTLED
    },
    Damage {
        name: "damage::healthy_guest_is_throttled_for_a_second",
        slow: true,
        cause: |fleet| throttled(fleet, 4),
        finds: &[],
        ..THROTTLED
    },
    Damage {
        name: "damage::tcp_connection_reset",
        // The server side of the connection that has been open since before the scenario: the parent of the program
        // that answers over it.
        cause: |fleet| {
            let script = "kill -KILL $(cut -d' ' -f4 /proc/$(pidof multivm-agent | cut -d' ' -f1)/stat)";
            in_guest(fleet, script).map(drop)
        },
        finds: &[finding(&connection::ABOUT, "vm1", "lost: ")],
        ..TO_VM1
    },
];

/// A guest that is five times slower than before is too slow, with a CPU for each of them.
fn soon_too_slow(profile: &mut Profile) {
    impatient(profile);
    profile.max_slowdown = 5;
}

/// Sets limits of the disk of vm1 on the target for so many seconds, in virsh's words.
fn disk_limited(fleet: &Fleet, limits: &str, seconds: u32) -> Result<()> {
    let set = |limits: &str| format!("virsh blkdeviotune vm1 vda --live {limits}");
    let none = set("--total-iops-sec 0 --total-bytes-sec 0");
    on_host(&fleet.hosts.target, &format!("{} && sleep {seconds}; {none}", set(limits)))
}

fn vm1_is_home(event: &Event) -> bool {
    matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm1")
}

fn vm2_is_home(event: &Event) -> bool {
    matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm2")
}

/// Lets vm2 run for 10 ms of each 250 ms, so many times, as a quota of its control group would.
fn throttled(fleet: &Fleet, times: u32) -> Result<()> {
    let script = format!(
        "pid=$(pgrep -o -f guest=vm2) && for turn in $(seq {times}); do kill -STOP $pid; sleep 0.24; kill -CONT $pid; sleep 0.01; done"
    );
    on_host(&fleet.hosts.source, &script)
}

/// A script that drops frames to vm1 by a rule of nft.
fn filter(fleet: &Fleet, rule: &str) -> String {
    let chain = chain(&format!("oifname $tap '{rule}'"));
    format!("tap=$(ip -o link | grep -i {} | cut -d: -f2) && {chain}", tap_mac(fleet))
}

/// Lets both hosts drop forwarded frames by a rule of nft.
fn dropped(fleet: &Fleet, rule: &str) -> Result<()> {
    fleet.hosts.both().into_iter().try_for_each(|host| on_host(host, &chain(&format!("'{rule}'"))))
}

/// A script that makes a chain of nft for forwarded frames, with one rule.
fn chain(rule: &str) -> String {
    format!(
        "nft add table bridge selftest && \
         nft add chain bridge selftest out '{{ type filter hook forward priority 0; }}' && \
         nft add rule bridge selftest out {rule}"
    )
}

/// Lets such frames to vm1 on the source wait in a queue of so many bytes, which empties at that rate, for 4 s.
fn queued(fleet: &Fleet, frames: &str, rate: &str, bytes: u32) -> Result<()> {
    let (tap, queue) = (tap(vm1(fleet)), queue(frames, rate, bytes));
    let script = format!("{tap} && {queue} && sleep 4; done=$?; tc qdisc del dev $tap root; exit $done");
    on_host(&fleet.hosts.source, &script)
}

/// Lets short probes to vm2 wait on the source from its arrival on: for 0.2 s none passes, and then as many as come.
fn late_at_home(fleet: &Fleet) -> Result<()> {
    let (tap, queue) = (tap(&fleet.guests[1]), queue(SHORT_PROBES, "1kbit", 100_000));
    let script = format!(
        "for look in $(seq 400); do {tap}; [ $tap ] && break; sleep 0.05; done; {queue} && \
         for look in $(seq 400); do virsh domstate vm2 | grep -q running && break; sleep 0.05; done; sleep 0.2; \
         tc class change dev $tap parent 1: classid 1:2 htb rate 41kbit burst 200 cburst 200"
    );
    on_host(&fleet.hosts.source, &script)
}

/// A script that finds the tap of a guest.
fn tap(guest: &Guest) -> String {
    format!("tap=$(ip -o link | grep -i {} | cut -d: -f2 | tr -d ' ')", guest.mac.replacen("52", "fe", 1))
}

/// A script that lets such frames to a tap wait in a queue of so many bytes, which empties at that rate.
fn queue(frames: &str, rate: &str, bytes: u32) -> String {
    format!(
        "tc qdisc replace dev $tap root handle 1: htb && \
         tc class add dev $tap parent 1: classid 1:2 htb rate {rate} burst 200 cburst 200 && \
         tc qdisc add dev $tap parent 1:2 bfifo limit {bytes} && \
         tc filter add dev $tap parent 1: protocol ip u32 {frames} flowid 1:2"
    )
}

/// The MAC address of vm1's tap: libvirt gives it the guest's with another first octet.
fn tap_mac(fleet: &Fleet) -> String {
    vm1(fleet).mac.replacen("52", "fe", 1)
}

/// Takes the link of vm1 on the source down for so many seconds.
fn frames_lost(fleet: &Fleet, seconds: &str) -> Result<()> {
    let tap_mac = tap_mac(fleet);
    let script = format!(
        "tap=$(ip -o link | grep -i {tap_mac} | cut -d: -f2) && ip link set $tap down && sleep {seconds} && \
         ip link set $tap up"
    );
    on_host(&fleet.hosts.source, &script)
}

/// How long the link stays down: well above the longest gap that is allowed here.
const DOWN: Duration = Duration::from_secs(20);

fn link_down(fleet: &Fleet) -> Result<()> {
    // The guest moves meanwhile, and its tap on the other host is a new one: so both hosts are looked at again and again.
    let tap_mac = tap_mac(fleet);
    let set = |state: &str| {
        format!(
            "for tap in $(ip -o link | grep -i {tap_mac} | cut -d: -f2); do ip link set $tap {state}; done"
        )
    };
    let script = format!(
        "end=$(($(date +%s) + {})); while [ $(date +%s) -lt $end ]; do {}; sleep 0.1; done; {}",
        DOWN.as_secs(),
        set("down"),
        set("up"),
    );
    std::thread::scope(|scope| {
        let other = scope.spawn(|| fleet.hosts.source.remote.check(&script, DOWN * 2));
        fleet.hosts.target.remote.check(&script, DOWN * 2)?;
        other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop)
    })
}
