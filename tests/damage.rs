//! Real damage in the real lab during a real scenario: each must lead to exactly the findings that it lists.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use multivm::check::{
    booting, clock, connection, copies, definition, disk, kernel_log, leftovers, live, load, memory,
    migration, overlap, page_cache, placement, qemu, reachable, reboot, recovery, speed, writers,
};
use multivm::failure::{Attempt, Failure, Result};
use multivm::guest::{Fleet, Guest};
use multivm::host::Host;
use multivm::ledger::Ledger;
use multivm::libvirt::Migration;
use multivm::record::{DomainEvent, Event};
use multivm::remote::protocol::WitnessQuestion;
use multivm::scenario::Direction;
use multivm::scenario::{AtTimeout, Bytes, Profile, Side};

use multivm::stand::lab::{HostSize, cgroup};
use multivm::sys::machine;
use multivm_fixtures::selftest::{
    Damage, ExpectedFinding, HOSTS, damage_main, end_host, end_libvirtd, end_nfs_server, end_witness,
    finding, hook, may_find, unhook,
};

fn main() -> ExitCode {
    damage_main(DAMAGES)
}

/// What most of them have in common: it happens to the first guest, which is on the target, when the second one goes.
const TO_VM1: Damage = Damage {
    name: "",
    scenario: "precopy_orderly::in_vms::stress_cpu",
    profile: impatient,
    when: second_guest_goes,
    at_once: false,
    cause: |_| Ok(()),
    undo: |_| Ok(()),
    finds: &[],
    slow: false,
    breaks_ground: false,
    then: "precopy_orderly::in_vms::stress_cpu",
    then_profile: impatient,
};

/// What befalls every migration: it happens before the first one is ordered.
const TO_ALL: Damage = Damage {
    when: |event| matches!(event, Event::LegStarted { .. }),
    at_once: true,
    undo: |fleet| unhook(&fleet.hosts.target),
    ..TO_VM1
};

/// Lets a guest prepare only when no QEMU listens any more for the one before, or receives it. Who has passed holds the lock
/// meanwhile.
const ONE_AT_A_TIME: &str = r#"cat > /dev/null
[ "$2 $3" = "migrate begin" ] || exit 0
exec 9> /run/multivm-selftest.lock
flock 9
busy() { cat /proc/net/tcp /proc/net/tcp6 | grep -qE ':C0[0-3][0-9A-F] [0-9A-F]+:[0-9A-F]{4} (01|0A) '; }
( tries=200; until busy || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done; while busy; do sleep 0.1; done ) < /dev/null > /dev/null 2>&1 &
"#;

/// Makes the target's libvirt change the number of processors of every guest that comes, which it then refuses to take.
fn refuse_every_guest(fleet: &Fleet) -> Result<()> {
    let script = r#"[ "$2 $3" = "migrate begin" ] && sed "s|<vcpu.*</vcpu>|<vcpu>3</vcpu>|"; exit 0"#;
    hook(&fleet.hosts.target, script)
}

/// A question about the load that is under way when vm1 goes down.
const LOAD_UNANSWERED: ExpectedFinding =
    may_find(&load::ABOUT, "vm1", "a question that is under way when the guest goes down has no answer");

/// A look into vm1 that is under way when it goes down.
const WITNESS_UNHEARD: ExpectedFinding =
    may_find(&memory::ABOUT, "vm1", "a look that is under way when the guest goes down hears no witness");

/// vm1 goes down after its arrival, for as long as it takes to boot or to be missed.
const NOT_RECOVERED: ExpectedFinding =
    may_find(&recovery::ABOUT, "vm1", "it is silent after its arrival, as long as it takes to boot");

/// What a host defines that does not answer.
const VM1_UNDEFINED: ExpectedFinding = silent_about("vm1");
const VM2_UNDEFINED: ExpectedFinding = silent_about("vm2");

const fn silent_about(guest: &'static str) -> ExpectedFinding {
    may_find(&definition::ABOUT, guest, "a host that does not answer says nothing of what it defines")
}

/// Which guests run on a host that does not answer.
const COPIES_UNKNOWN: ExpectedFinding =
    may_find(&copies::ABOUT, HOSTS, "the scenario may end before the watch was blind for too long");

/// Who has images open on a machine that does not answer.
const WRITERS_UNKNOWN: ExpectedFinding =
    may_find(&writers::ABOUT, HOSTS, "the scenario may end before the watch was blind for too long");

const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::guest_reboot",
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.target)?.reset().attempting(|| format!("reset {}", guest.name))
        },
        finds: &[
            finding(&reboot::ABOUT, "vm1", "reset on target"),
            NOT_RECOVERED,
            may_find(&reachable::ABOUT, "vm1", "it may have booted by the next look"),
            may_find(&kernel_log::ABOUT, "vm1", "a firmware that starts anew prints on the console"),
            LOAD_UNANSWERED,
            may_find(&connection::ABOUT, "vm1", "it may answer again by the last look"),
            may_find(&memory::ABOUT, "vm1", "its witness is gone with the boot"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_kernel_panics",
        breaks_ground: true,
        // Its kernel is gone before anything is answered.
        cause: |fleet| {
            in_guest(fleet, "(sleep 1; echo c > /proc/sysrq-trigger) > /dev/null 2>&1 < /dev/null &")
                .map(drop)
        },
        finds: &[
            NOT_RECOVERED,
            finding(&kernel_log::ABOUT, "vm1", "sysrq triggered crash"),
            finding(&reachable::ABOUT, "vm1", ""),
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_kernel_dumps_its_stacks",
        cause: |fleet| in_guest(fleet, "echo l > /proc/sysrq-trigger").map(drop),
        finds: &[finding(&kernel_log::ABOUT, "vm1", "Call Trace:")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_kernel_kills_for_want_of_memory",
        cause: |fleet| {
            // The one that the kernel chooses before any other, since no other says that it may.
            let script = "(echo 1000 > /proc/self/oom_score_adj; exec sleep 600) > /dev/null 2>&1 < /dev/null & victim=$!; \
                          until grep -q sleep /proc/$victim/comm; do :; done; echo f > /proc/sysrq-trigger";
            in_guest(fleet, script).map(drop)
        },
        finds: &[finding(&kernel_log::ABOUT, "vm1", "killed: sleep")],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_kernel_kills_for_want_of_memory",
        // It takes as long as a short scenario.
        at_once: true,
        cause: |fleet| kill_for_want_of_memory(&fleet.hosts.target),
        finds: &[finding(&kernel_log::ABOUT, HOSTS, "killed: tail")],
        ..TO_VM1
    },
    Damage {
        name: "harmless::users_write_to_kernel_logs",
        cause: |fleet| {
            let script = "echo 'WARNING: backup has started' > /dev/kmsg; echo '<1>Oops: 0002 [#1] PREEMPT SMP NOPTI' > /dev/kmsg";
            in_guest(fleet, script)?;
            on_host(&fleet.hosts.target, script)
        },
        ..TO_VM1
    },
    Damage {
        name: "harmless::panic_words_on_a_console",
        // As a kernel prints them, and as they are: nobody panics who answers.
        cause: |fleet| {
            let words = "Kernel panic - not syncing: it is only said";
            let script = format!(
                "for to in kmsg console; do for line in '{words}' '---[ end {words} ]---'; do \
                 [ $to = kmsg ] && line=\"<8>$line\"; echo \"$line\" > /dev/$to; done; done"
            );
            in_guest(fleet, &script).map(drop)
        },
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_kernel_panics_while_it_boots",
        slow: true,
        scenario: "precopy_simultaneous::booting::migrated_vms",
        // Before it is started anew.
        when: |event| matches!(event, Event::ScenarioStarted { .. }),
        at_once: true,
        cause: |fleet| {
            let wrong = "virsh dumpxml --inactive vm1 | sed 's,<cmdline>,<cmdline>rdinit=/none ,' > /run/wrong.xml && \
                         virsh define /run/wrong.xml && rm /run/wrong.xml";
            on_host(&fleet.hosts.source, wrong)
        },
        finds: &[
            // Wherever it is by then.
            finding(&booting::ABOUT, "vm1", "its kernel panicked on "),
            finding(&kernel_log::ABOUT, "vm1", "its kernel panicked on "),
            NOT_RECOVERED,
            may_find(&reachable::ABOUT, "vm1", "it is silent for as long as the scenario goes on"),
            may_find(&definition::ABOUT, "vm1", "it is defined otherwise than it was made"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "harmless::multivm_itself_is_halted",
        slow: true,
        cause: |_| {
            let me = std::process::id();
            let halt = format!("kill -STOP {me}; sleep 25; kill -CONT {me}");
            let halted =
                Command::new("sh").args(["-c", &halt]).status().attempting(|| "halt multivm".into())?;
            if halted.success() { Ok(()) } else { Err(Failure::new("halt multivm", halted.to_string())) }
        },
        ..TO_VM1
    },
    Damage {
        name: "harmless::kernel_kills_a_stranger_for_want_of_memory",
        cause: |_| oom_kill_of_a_stranger(),
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_reset_while_it_boots",
        scenario: "precopy_simultaneous::booting::migrated_vms",
        when: |event| matches!(event, Event::LegStarted { guest, .. } if guest == "vm1"),
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.source)?.reset().attempting(|| format!("reset {}", guest.name))
        },
        finds: &[
            finding(&reboot::ABOUT, "vm1", "resets"),
            // Seen with QEMU 10.0 in one of three: its processor runs through zeros at f000, where the firmware should be.
            may_find(
                &booting::ABOUT,
                "vm1",
                "QEMU may lose the firmware of a guest that is reset in mid-migration",
            ),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::load_guest_dies",
        scenario: "precopy_orderly::booting::load_vms",
        cause: |fleet| on_host(&fleet.hosts.source, "pkill -KILL -f guest=load1"),
        finds: &[
            finding(&booting::ABOUT, "load1", "load1"),
            // Whichever of them moves when the load guest is missed: the scenario ends there.
            may_find(&booting::ABOUT, "vm1", "the load guest may be missed before its move is over"),
            may_find(&booting::ABOUT, "vm2", "it goes when the load guest is missed, if vm1 has arrived"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_load_killed",
        cause: |fleet| in_guest(fleet, "killall -KILL stress").map(drop),
        // A look may fall between the ends of its two processes.
        finds: &[finding(&load::ABOUT, "vm1", "resident; then: ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_load_stopped",
        cause: |fleet| in_guest(fleet, "killall -STOP stress").map(drop),
        finds: &[finding(&load::ABOUT, "vm1", "then: 2 processes (")],
        ..TO_VM1
    },
    Damage {
        name: "damage::byte_of_guest_memory_flipped",
        cause: |fleet| {
            let answer = vm1(fleet).agent.witness(WitnessQuestion::Address { page: 77 }, LIMIT)?;
            // In the middle of the page: its first line is rewritten with every generation.
            let address = parse_hex(answer.trim())? + 40 * 64 + 8;
            let script = format!(
                "printf '\\252' | dd of=/proc/$(pidof multivm-witness)/mem bs=1 seek={address} conv=notrunc"
            );
            in_guest(fleet, &script).map(drop)
        },
        finds: &[finding(&memory::ABOUT, "vm1", "page=77 ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::byte_of_page_cache_written",
        // A program that nothing runs. The disk gets the byte, too, so that its block is all that is known.
        cause: |fleet| {
            let write = "printf '\\252' | dd of=/usr/bin/arch bs=1 seek=5000 conv=notrunc";
            in_guest(fleet, write).map(drop)
        },
        finds: &[finding(&page_cache::ABOUT, "vm1", "offset=4096 path=/usr/bin/arch")],
        ..TO_VM1
    },
    Damage {
        name: "harmless::page_cache_is_dropped",
        cause: |fleet| in_guest(fleet, "sync; echo 3 > /proc/sys/vm/drop_caches").map(drop),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "harmless::guest_writes_a_new_file_while_it_moves",
        profile: |profile| {
            impatient(profile);
            // So that the file is there before the guest is away.
            profile.bandwidth = Some(Bytes(48 << 20));
        },
        // The target's QEMU has opened the image by then and knows how long it was. No write of the guest comes between its arrival and
        // the look at the file that makes the image longer: the records of its witness lie in blocks that it has.
        when: |event| matches!(event, Event::LibvirtEvent { guest: Some(guest), what: DomainEvent::Iteration { pass: 1 }, .. } if guest == "vm1"),
        cause: |fleet| {
            let write = "dd if=/dev/urandom of=/var/new bs=1M count=2 2> /dev/null; sync; sha256sum /var/new > /run/new.sum";
            in_guest(fleet, write)?;
            let arrives = "! virsh domstate vm1 | grep running && until virsh domstate vm1 | grep -q running; do sleep 0.1; done";
            on_host(&fleet.hosts.target, arrives)?;
            in_guest(fleet, "echo 3 > /proc/sys/vm/drop_caches; sha256sum -c /run/new.sum").map(drop)
        },
        ..TO_VM1
    },
    Damage {
        name: "damage::byte_of_image_flipped",
        cause: |fleet| {
            // A record of the witness, as it lies in the image on the NFS server. Those of earlier witnesses lie there, too, in blocks
            // that are free: the run id in bytes 16 to 32 tells which are of this one. The first part of the image has the data; the
            // rest is a hole, which grep would take for one line.
            let head = "dd bs=1 skip=16 count=16 2> /dev/null | od -An -tx1 | tr -d ' \\n'";
            let run = in_guest(fleet, &format!("cat /var/lib/multivm/records | {head}"))?;
            let image = &vm1(fleet).image;
            let script = format!(
                "cd {} && for at in $(head -c $(($(stat -c %b {image}) * 512 + 1048576)) {image} | grep -obUa multivm-record | cut -d: -f1 | tac); do \
                 [ \"$(tail -c +$((at + 1)) {image} | {head})\" = {} ] || continue; \
                 printf '\\252' | dd of={image} bs=1 seek=$((at + 2000)) conv=notrunc; exit; done; exit 1",
                fleet.storage.entry.export,
                run.trim(),
            );
            fleet.storage.remote.check(&script, LIMIT).map(drop)
        },
        finds: &[
            finding(&disk::ABOUT, "vm1", "kind=torn"),
            may_find(&writers::ABOUT, "vm1", "dd has the image open for a moment, which two looks may see"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::record_dropped",
        cause: |fleet| {
            let file = "/var/lib/multivm/records";
            in_guest(fleet, &format!("dd if=/dev/zero of={file} bs=4096 seek=300 count=1 conv=notrunc; sync"))
                .map(drop)
        },
        finds: &[finding(&disk::ABOUT, "vm1", "slot=300 ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::link_down_for_20_s",
        slow: true,
        cause: link_down,
        finds: &[
            finding(&reachable::ABOUT, "vm1", "longest gap"),
            NOT_RECOVERED,
            may_find(
                &connection::ABOUT,
                "vm1",
                "a question that is under way when the guest goes down has no answer",
            ),
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::frames_lost_for_5_s_after_arrival",
        profile: quick_to_recover,
        when: vm1_is_home,
        at_once: true,
        cause: |fleet| frames_lost(fleet, "5"),
        finds: &[finding(&recovery::ABOUT, "vm1", "silent for ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::healthy_frames_lost_for_half_a_second",
        profile: quick_to_recover,
        when: vm1_is_home,
        at_once: true,
        cause: |fleet| frames_lost(fleet, "0.5"),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::disk_is_slow_after_arrival",
        slow: true,
        profile: soon_too_slow,
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| {
            let limit =
                |operations| format!("virsh blkdeviotune vm1 vda --live --write-iops-sec {operations}");
            on_host(&fleet.hosts.target, &format!("{} && sleep 6; {}", limit(2), limit(0)))
        },
        finds: &[finding(&speed::ABOUT, "vm1", "disk ")],
        ..TO_VM1
    },
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
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm2"),
        cause: |fleet| {
            let script = "pid=$(pgrep -o -f guest=vm2) && for turn in 1 2 3 4 5 6 7; do kill -STOP $pid; sleep 0.95; kill -CONT $pid; \
                          sleep 0.05; done";
            on_host(&fleet.hosts.source, script)
        },
        finds: &[finding(&speed::ABOUT, "vm2", "CPU ")],
        ..TO_VM1
    },
    Damage {
        name: "harmless::guest_is_busier_after_arrival",
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| in_guest(fleet, "stress --timeout 4 --cpu 3 --io 1 > /dev/null 2>&1").map(drop),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_dies_after_its_last_move",
        slow: true,
        breaks_ground: true,
        profile: |profile| {
            quick_to_recover(profile);
            profile.max_gap = Duration::from_secs(3);
            profile.settle = Duration::from_secs(6);
        },
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm2"),
        cause: |fleet| on_host(&fleet.hosts.source, "sleep 1; pkill -KILL -f guest=vm1"),
        finds: &[
            finding(&qemu::ABOUT, "vm1", " on source at "),
            finding(&recovery::ABOUT, "vm1", "silent for "),
            finding(&reachable::ABOUT, "vm1", ""),
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_suspended",
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.target)?.suspend().attempting(|| format!("suspend {}", guest.name))
        },
        finds: &[
            finding(&placement::ABOUT, "vm1", "active but not running on target"),
            finding(&reachable::ABOUT, "vm1", ""),
            NOT_RECOVERED,
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::second_copy_started",
        breaks_ground: true,
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.source)?.start().attempting(|| format!("start {} twice", guest.name))
        },
        finds: &[
            finding(&copies::ABOUT, "vm1", "running on both hosts"),
            finding(&placement::ABOUT, "vm1", "running on source, running on target"),
            NOT_RECOVERED,
            finding(&writers::ABOUT, "vm1", "both hosts' QEMU have it open"),
            may_find(&disk::ABOUT, "vm1", "two copies write to one disk"),
            may_find(&kernel_log::ABOUT, "vm1", "two copies write to one disk"),
            may_find(&reachable::ABOUT, "vm1", "two guests have one address"),
            may_find(&connection::ABOUT, "vm1", "two guests have one address"),
            may_find(&load::ABOUT, "vm1", "two guests have one address"),
            may_find(&reboot::ABOUT, "vm1", "two guests have one address"),
            may_find(&memory::ABOUT, "vm1", "two guests have one address"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::witness_killed",
        slow: true,
        breaks_ground: true,
        cause: |fleet| end_witness(vm1(fleet)),
        finds: &[finding(&memory::ABOUT, "vm1", "")],
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
        finds: &[
            finding(&migration::ABOUT, "vm2", ""),
            finding(&placement::ABOUT, "vm1", "cannot ask target which guests run"),
            finding(&placement::ABOUT, "vm2", "cannot ask target which guests run"),
            VM1_UNDEFINED,
            VM2_UNDEFINED,
            COPIES_UNKNOWN,
            may_find(&writers::ABOUT, "vm2", "the QEMU that was to receive it stays, and has its image open"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::target_lost",
        slow: true,
        breaks_ground: true,
        // Its init ends, and with it everything in the host.
        cause: |_| end_host("target"),
        finds: &[
            finding(&migration::ABOUT, "vm2", ""),
            finding(&placement::ABOUT, "vm1", "cannot ask target which guests run"),
            finding(&placement::ABOUT, "vm2", "cannot ask target which guests run"),
            VM1_UNDEFINED,
            VM2_UNDEFINED,
            NOT_RECOVERED,
            finding(&reachable::ABOUT, "vm1", ""),
            finding(&kernel_log::ABOUT, HOSTS, "cannot log in to target"),
            COPIES_UNKNOWN,
            WRITERS_UNKNOWN,
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::nfs_server_killed_in_mid_migration",
        slow: true,
        breaks_ground: true,
        profile: |profile| {
            impatient(profile);
            // The first pass takes some seconds, and whoever waits for the migration not much longer.
            profile.bandwidth = Some(Bytes(24 << 20));
            profile.precopy_timeout = Duration::from_secs(20);
        },
        when: |event| {
            matches!(event, Event::LibvirtEvent { guest: Some(guest), what: DomainEvent::Iteration { pass: 1 }, .. }
                if guest == "vm1")
        },
        cause: |fleet| end_nfs_server(fleet),
        finds: &[
            finding(&migration::ABOUT, "vm1", ""),
            VM1_UNDEFINED,
            VM2_UNDEFINED,
            NOT_RECOVERED,
            may_find(&clock::ABOUT, "vm1", "a guest waits for its disk"),
            may_find(&placement::ABOUT, "vm1", "a migration that hangs may leave it anywhere"),
            may_find(&reachable::ABOUT, "vm1", "a guest waits for its disk"),
            may_find(&connection::ABOUT, "vm1", "a guest waits for its disk"),
            may_find(&kernel_log::ABOUT, "vm1", "a guest waits for its disk"),
            may_find(&live::ABOUT, "vm1", "a guest waits for its disk"),
            may_find(&disk::ABOUT, "vm1", "a guest waits for its disk"),
            may_find(&copies::ABOUT, HOSTS, "libvirt may answer nothing about a guest that hangs"),
            may_find(
                &writers::ABOUT,
                "vm1",
                "the QEMU that was to receive it may stay, and have its image open",
            ),
            may_find(&memory::ABOUT, "vm2", "a guest waits for its disk"),
            may_find(&connection::ABOUT, "vm2", "a guest waits for its disk"),
            may_find(&reachable::ABOUT, "vm2", "a guest waits for its disk"),
            may_find(&kernel_log::ABOUT, "vm2", "a guest waits for its disk"),
            may_find(&disk::ABOUT, "vm2", "a guest waits for its disk"),
            may_find(&load::ABOUT, "vm2", "a guest waits for its disk"),
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_clock_moved",
        cause: |fleet| in_guest(fleet, "date -s @$(($(date +%s) + 3600))").map(drop),
        finds: &[finding(&clock::ABOUT, "vm1", "moved by +3")],
        ..TO_VM1
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
    Damage {
        name: "damage::guest_on_the_wrong_host",
        // Between libvirt's report of success and the proofs, which wait for it.
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Out, .. } if guest == "vm2"),
        at_once: true,
        cause: |fleet| {
            let guest = fleet.guest("vm2").ok_or_else(|| Failure::new("find vm2", "not in the fleet"))?;
            let back = guest.connection(&fleet.hosts, Side::Source, fleet.stop_flag())?;
            let live = Migration { live: true, persist_dest: true, ..Migration::default() };
            guest
                .known_on(&fleet.hosts.target)?
                .migrate(&back, &live)
                .map(drop)
                .attempting(|| "migrate vm2 back".into())
        },
        finds: &[
            finding(&placement::ABOUT, "vm2", "running on source, not active on target"),
            may_find(&writers::ABOUT, "vm2", "a migration that nobody here ordered"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::suspended_at_timeout",
        scenario: "precopy_orderly::in_vms::stress_memory",
        profile: |profile| {
            impatient(profile);
            profile.precopy_timeout = Duration::from_millis(300);
            profile.at_timeout = AtTimeout::Suspend;
        },
        when: |event| matches!(event, Event::LegStarted { .. }),
        finds: &[finding(&live::ABOUT, "vm1", "suspended ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::suspended_by_somebody_else",
        profile: |profile| {
            impatient(profile);
            // The first pass takes some seconds.
            profile.bandwidth = Some(Bytes(24 << 20));
        },
        when: |event| {
            matches!(event, Event::LibvirtEvent { guest: Some(guest), what: DomainEvent::Iteration { pass: 1 }, .. }
                if guest == "vm1")
        },
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.source)?.suspend().attempting(|| format!("suspend {}", guest.name))
        },
        finds: &[finding(&live::ABOUT, "vm1", "suspended ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_load_killed",
        scenario: "precopy_orderly::on_source::stress_cpu_half",
        cause: |fleet| on_host(&fleet.hosts.source, "pkill -KILL -x stress"),
        finds: &[finding(&load::ABOUT, HOSTS, "resident; then: ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_load_stopped",
        scenario: "precopy_orderly::on_target::stress_ng_cpu_short",
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -STOP stress-ng"),
        finds: &[finding(&load::ABOUT, HOSTS, "then: 4 processes (")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_undefined_after_its_arrival",
        cause: |fleet| on_host(&fleet.hosts.target, "virsh undefine vm1"),
        finds: &[finding(&definition::ABOUT, "vm1", "on target, domain: transient")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_defined_otherwise_after_its_arrival",
        // Before it moves home, and takes the wrong definition along.
        cause: |fleet| {
            let wrong = "virsh dumpxml --inactive vm1 | sed 's,<vcpu.*</vcpu>,<vcpu>3</vcpu>,' > /run/wrong.xml && \
                         virsh define /run/wrong.xml && rm /run/wrong.xml";
            on_host(&fleet.hosts.target, wrong)
        },
        finds: &[finding(&definition::ABOUT, "vm1", "on target, persistent XML, vcpu: 3")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_defined_otherwise_at_home",
        // Nobody moves after it: the next scenario would start with it.
        scenario: "precopy_orderly::in_vms::stress_cpu",
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm1"),
        at_once: true,
        cause: |fleet| on_host(&fleet.hosts.source, "virsh desc vm1 --config --new-desc 'a wrong one'"),
        finds: &[finding(&definition::ABOUT, "vm1", "on source, persistent XML, description: a wrong one")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_autostarts_after_its_arrival",
        cause: |fleet| on_host(&fleet.hosts.target, "virsh autostart vm1"),
        finds: &[finding(&definition::ABOUT, "vm1", "on target, autostart: on")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_renamed_after_its_arrival",
        cause: |fleet| on_host(&fleet.hosts.target, "virsh desc vm1 --live --title --new-desc another"),
        finds: &[finding(&definition::ABOUT, "vm1", "on target, live XML, title: another")],
        ..TO_VM1
    },
    Damage {
        name: "harmless::definitions_are_read",
        cause: |fleet| {
            let domain = "<domain type='qemu'><name>neighbour</name><memory>65536</memory><os><type>hvm</type></os></domain>";
            let reads = "virsh dumpxml vm1 && virsh dumpxml --inactive vm1 && virsh snapshot-list vm1 && \
                         virsh domstats vm1 && virsh qemu-monitor-command vm1 --hmp info status";
            on_host(
                &fleet.hosts.target,
                &format!(
                    "({reads}) > /dev/null && echo \"{domain}\" > /run/neighbour.xml && virsh define /run/neighbour.xml && \
                     virsh autostart neighbour && virsh undefine neighbour && rm /run/neighbour.xml"
                ),
            )
        },
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_io_load_stopped",
        scenario: "precopy_orderly::in_vms::stress_ng_io",
        cause: |fleet| in_guest(fleet, "killall -STOP stress-ng-hdd").map(drop),
        finds: &[finding(&load::ABOUT, "vm1", "then: 2 processes (1 stopped)")],
        ..TO_VM1
    },
    // From now on it writes to memory only, and removes its files before the kernel would write them to the disk. It lives, and it
    // uses more CPU time than before.
    Damage {
        name: "damage::host_io_load_writes_to_memory",
        scenario: "precopy_orderly::on_source::stress_io_half",
        cause: |fleet| {
            let host = &fleet.hosts.source;
            on_host(host, &format!("chattr -S {}", host.load_folder()))
        },
        finds: &[finding(&load::ABOUT, HOSTS, " MiB on a disk; then: 2 processes (0 stopped), ")],
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
        cause: |fleet| hook(&fleet.hosts.target, r#"[ "$2" != "prepare" ]"#),
        finds: &[finding(&migration::ABOUT, "vm1", "Hook script execution failed")],
        ..TO_ALL
    },
    Damage {
        // Guests that boot while they cannot move have a boot of their own to be judged by, and not the one before.
        name: "damage::target_cannot_prepare_a_guest_that_boots",
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
        name: "damage::target_takes_no_connection",
        cause: |fleet| {
            // libvirt's ports for migrations.
            let refuse = "nft add table inet selftest && nft add chain inet selftest in '{ type filter hook input priority 0; }' && \
                          nft add rule inet selftest in tcp dport 49152-49215 reject with tcp reset";
            on_host(&fleet.hosts.target, refuse)
        },
        undo: |fleet| on_host(&fleet.hosts.target, "nft delete table inet selftest"),
        finds: &[finding(&migration::ABOUT, "vm1", "Connection refused")],
        ..TO_ALL
    },
    Damage {
        name: "damage::qemu_of_a_guest_aborts",
        slow: true,
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -ABRT -f guest=vm1"),
        finds: &[
            finding(&qemu::ABOUT, "vm1", " on target at "),
            finding(&reachable::ABOUT, "vm1", ""),
            NOT_RECOVERED,
            may_find(
                &placement::ABOUT,
                "vm1",
                "vm2 may arrive before it is missed, and the step be looked at",
            ),
            LOAD_UNANSWERED,
            WITNESS_UNHEARD,
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::host_kernel_kills_after_the_last_look",
        when: |event| matches!(event, Event::ChecksHeld { held, .. } if held.iter().any(|(check, _)| *check == leftovers::ABOUT.id)),
        at_once: true,
        cause: |fleet| kill_for_want_of_memory(&fleet.hosts.target),
        finds: &[finding(&kernel_log::ABOUT, HOSTS, "killed: tail")],
        ..TO_VM1
    },
    Damage {
        name: "harmless::qemu_of_a_stranger_aborts",
        cause: |fleet| {
            let domain = "<domain type='qemu'><name>neighbour</name><memory>65536</memory><os><type>hvm</type></os></domain>";
            on_host(
                &fleet.hosts.target,
                &format!(
                    "echo \"{domain}\" > /run/neighbour.xml && virsh create --paused /run/neighbour.xml && rm /run/neighbour.xml && \
                     pkill -ABRT -f guest=neighbour"
                ),
            )
        },
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::second_qemu_by_hand",
        cause: |fleet| {
            on_host(
                &fleet.hosts.source,
                &held(&format!(
                    "qemu-system-x86_64 -nodefaults -display none -m 16 -S -drive file={},format=raw,if=virtio",
                    url(fleet, &vm1(fleet).image)
                )),
            )
        },
        finds: &[finding(&writers::ABOUT, "vm1", "qemu-system-x86_64 (pid ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::second_domain_with_its_disk",
        slow: true,
        cause: |fleet| {
            let domain = format!(
                "<domain type='qemu'><name>neighbour</name><memory unit='MiB'>16</memory><os><type>hvm</type></os>\
                 <devices>{}</devices></domain>",
                disk_of_vm1(fleet)
            );
            let wait = HELD.as_secs();
            on_host(
                &fleet.hosts.source,
                &format!(
                    "echo \"{domain}\" > /run/neighbour.xml && virsh create --paused /run/neighbour.xml && sleep {wait}; \
                          virsh destroy neighbour; rm /run/neighbour.xml"
                ),
            )
        },
        finds: &[finding(&writers::ABOUT, "vm1", "the QEMU of domain neighbour")],
        ..TO_VM1
    },
    Damage {
        name: "damage::its_disk_plugged_into_another_domain",
        slow: true,
        // No command line ever names it.
        cause: |fleet| {
            let domain = "<domain type='qemu'><name>neighbour</name><memory unit='MiB'>16</memory><os><type>hvm</type></os></domain>";
            let disk = disk_of_vm1(fleet);
            let wait = HELD.as_secs();
            on_host(
                &fleet.hosts.source,
                &format!(
                    "echo \"{domain}\" > /run/neighbour.xml && echo \"{disk}\" > /run/disk.xml && \
                     virsh create --paused /run/neighbour.xml && virsh attach-device neighbour /run/disk.xml --live && sleep {wait}; \
                     virsh destroy neighbour; rm /run/neighbour.xml /run/disk.xml"
                ),
            )
        },
        finds: &[finding(&writers::ABOUT, "vm1", "the QEMU of domain neighbour")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_exported_by_another_name",
        // A hard link: no path of the guest's is named anywhere.
        cause: |fleet| {
            on_storage(fleet, "ln vm1.qcow2 other.img")?;
            let exported = held(&format!("qemu-nbd -t -x vm -f raw -p 10999 {}", url(fleet, "other.img")));
            let exported = on_host(&fleet.hosts.target, &exported);
            on_storage(fleet, "rm other.img")?;
            exported
        },
        finds: &[finding(&writers::ABOUT, "vm1", "qemu-nbd (pid ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_open_on_the_server",
        cause: |fleet| on_storage(fleet, &held("sh -c 'exec 3<>vm1.qcow2 && sleep 60'")),
        finds: &[finding(&writers::ABOUT, "vm1", " on storage has it")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_exported_on_the_server",
        slow: true,
        // By QEMU's own NFS client: the NFS server has the file open.
        cause: |fleet| {
            let exported = format!("qemu-nbd -t -x vm -f raw -p 10999 {}", url(fleet, &vm1(fleet).image));
            on_storage(fleet, &held(&exported))
        },
        finds: &[finding(&writers::ABOUT, "vm1", "qemu-nbd (pid ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::base_image_open_on_the_server",
        slow: true,
        cause: |fleet| {
            let image = &fleet.storage.entry.base_image;
            on_storage(fleet, &held(&format!("sh -c 'exec 3>>{image} && sleep 60'")))
        },
        finds: &[finding(&writers::ABOUT, HOSTS, " on storage has it")],
        ..TO_VM1
    },
    Damage {
        name: "damage::second_copy_paused",
        slow: true,
        cause: |fleet| on_host(&fleet.hosts.source, "virsh start vm1 --paused"),
        finds: &[
            finding(&writers::ABOUT, "vm1", "both hosts' QEMU have it open"),
            finding(&placement::ABOUT, "vm1", "active but not running on source"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "harmless::images_are_read",
        cause: |fleet| {
            let url = url(fleet, &vm1(fleet).image);
            let reads = format!(
                "qemu-img info -U {url} > /dev/null && qemu-img map -U -f raw {url} > /dev/null && {}",
                held(&format!("qemu-nbd -t -r -x vm -f raw -p 10999 {url}"))
            );
            on_storage(fleet, "qemu-img info -U vm1.qcow2 > /dev/null && cat vm1.qcow2 > /dev/null")?;
            on_storage(fleet, &held("sh -c 'exec 3<vm1.qcow2 4<>neighbour.img && sleep 60'"))?;
            on_storage(fleet, "rm neighbour.img")?;
            on_host(&fleet.hosts.source, &reads)
        },
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "damage::things_left_behind",
        // As a hook of libvirt might, with every start of a guest.
        cause: |fleet| {
            let left = "ip tuntap add dev left0 mode tap && ip link add left1 type veth peer name left2 && \
                        touch /run/libvirt/qemu/left && for stays in 'sleep 120' 'nc -l 4444' 'nc -u -l 4446'; do \
                        setsid -f timeout 120 $stays < /dev/null > /dev/null 2>&1; done";
            on_host(&fleet.hosts.target, left)
        },
        finds: &[
            finding(&leftovers::ABOUT, HOSTS, "process sleep (pid "),
            finding(&leftovers::ABOUT, HOSTS, "link left0"),
            finding(&leftovers::ABOUT, HOSTS, "link left1"),
            finding(&leftovers::ABOUT, HOSTS, "file /run/libvirt/qemu/left"),
            finding(&leftovers::ABOUT, HOSTS, "listening socket, tcp port 4444 (pid "),
            finding(&leftovers::ABOUT, HOSTS, "listening socket, udp port 4446 (pid "),
        ],
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
    Damage {
        name: "harmless::host_is_used",
        // Logs and caches grow, files come and go, and somebody is logged in.
        cause: |fleet| {
            let used = "echo a line >> /var/log/libvirt/qemu/other.log; touch /var/cache/libvirt/qemu/other; \
                        touch /run/libvirt/other; virsh list --all; virsh nodeinfo; timeout 5 nc -l 4445; rm /run/libvirt/other";
            on_host(&fleet.hosts.target, used)
        },
        finds: &[],
        ..TO_VM1
    },
];

/// How long one act of damage may take.
const LIMIT: Duration = Duration::from_secs(30);

fn vm1(fleet: &Fleet) -> &Guest {
    &fleet.guests[0]
}

fn in_guest(fleet: &Fleet, script: &str) -> Result<String> {
    vm1(fleet).agent.remote().check(script, LIMIT)
}

fn on_host(host: &Host, script: &str) -> Result<()> {
    host.remote.check(script, LIMIT).map(drop)
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

/// The kernel kills a process of this machine that no host has, in a control group of its own.
fn oom_kill_of_a_stranger() -> Result<()> {
    let attempted = || "have a stranger's process killed".to_owned();
    let state = tempfile::tempdir().attempting(attempted)?;
    let ledger = Ledger::open(state.path())?;
    let small = HostSize { cpu_percent: machine::cpu_percent(), memory: 32 << 20 };
    let groups = cgroup::create("multivm-selftest-stranger", small, &ledger)?;
    let joins: String = groups.joins.iter().map(|join| format!("echo $$ > {} && ", join.display())).collect();
    let ended = Command::new("timeout")
        .args([
            "--signal=TERM",
            "30",
            "sh",
            "-c",
            &format!("{joins} exec dd if=/dev/zero of=/dev/null bs=256M count=1"),
        ])
        .output()
        .attempting(attempted);
    let failures = ledger.undo_all();
    // The kernel's signal, as timeout passes it on.
    if ended
        .as_ref()
        .is_ok_and(|ended| ended.status.code() == Some(128 + 9) || ended.status.signal() == Some(9))
    {
        return failures.into_iter().next().map_or(Ok(()), Err);
    }
    Err(Failure::new(attempted(), format!("it ended otherwise: {ended:?}")))
}

fn on_storage(fleet: &Fleet, script: &str) -> Result<()> {
    let script = format!("cd {} && {{ {script}; }}", fleet.storage.entry.export);
    fleet.storage.remote.check(&script, LIMIT).map(drop)
}

/// How long somebody holds an image: a look comes twice a second.
const HELD: Duration = Duration::from_secs(10);

/// A script that lets a program run for that long, and fails if it does not.
fn held(program: &str) -> String {
    format!("{{ timeout {} {program}; [ $? = 124 ]; }}", HELD.as_secs())
}

/// An image in the export, as QEMU's NFS client takes it. As a raw one: it finds no backing file by a name without a folder.
fn url(fleet: &Fleet, image: &str) -> String {
    let storage = &fleet.storage.entry;
    format!("nfs://{}{}/{image}", storage.login.address, storage.export)
}

/// vm1's image as the disk of a domain.
fn disk_of_vm1(fleet: &Fleet) -> String {
    let storage = &fleet.storage.entry;
    format!(
        "<disk type='network' device='disk'><driver name='qemu' type='qcow2' cache='none'/>\
         <source protocol='nfs' name='{}/{}'><host name='{}'/></source><backingStore/>\
         <target dev='vda' bus='virtio'/></disk>",
        storage.export,
        vm1(fleet).image,
        storage.login.address
    )
}

fn parse_hex(text: &str) -> Result<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).attempting(|| format!("read the address {text:?}"))
}

/// Guests that are dead on purpose are not to be waited for as long as others.
fn impatient(profile: &mut Profile) {
    profile.max_gap = Duration::from_secs(6);
    profile.boot_timeout = Duration::from_secs(40);
}

/// A guest that is silent for 3 s after its arrival has not recovered, with a CPU for each of them.
fn quick_to_recover(profile: &mut Profile) {
    impatient(profile);
    profile.max_gap = Duration::from_secs(20);
    profile.max_recovery = Duration::from_secs(3);
}

/// A guest that is five times slower than before is too slow, with a CPU for each of them.
fn soon_too_slow(profile: &mut Profile) {
    impatient(profile);
    profile.max_slowdown = 5;
}

fn vm1_is_away(event: &Event) -> bool {
    matches!(event, Event::LegFinished { guest, direction: Direction::Out, .. } if guest == "vm1")
}

fn vm1_is_home(event: &Event) -> bool {
    matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm1")
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

fn second_guest_goes(event: &Event) -> bool {
    matches!(event, Event::LegStarted { guest, direction: Direction::Out, .. } if guest == "vm2")
}
