//! Damage to guests: their kernels, memory, clocks and QEMUs, and where and how they run.

use std::time::Duration;

use multivm::check::{
    booting, clock, copies, definition, disk, kernel_log, live, memory, overlap, page_cache, placement, qemu,
    reboot, writers,
};
use multivm::failure::{Attempt, Failure, Result};
use multivm::guest::Fleet;
use multivm::libvirt::Migration;
use multivm::record::Event;
use multivm::remote::protocol::WitnessQuestion;
use multivm::scenario::{AtTimeout, Bytes, Direction, Side};
use multivm::sys::wait::{Poll, wait_for};
use multivm_fixtures::selftest::{Damage, ExpectedFinding, HOSTS, end_libvirtd, end_witness, finding};

use crate::shared::{
    AFTER_PROOF, LIMIT, NOT_RECOVERED, PROBES_UNANSWERED, TO_VM1, impatient, in_guest, on_both, on_host,
    quick_to_recover, vm1, vm1_is_under_way,
};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::guest_reboot",
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.target)?.reset().attempting(|| format!("reset {}", guest.name))
        },
        finds: &[
            // libvirt may report one reset twice. The reset explains whatever else is found of the guest.
            finding(&reboot::ABOUT, "vm1", "reset on target").up_to(2),
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
            // At once, and when a look finds it silent.
            finding(&kernel_log::ABOUT, "vm1", "its kernel panicked on ").saying(&["sysrq triggered crash"]),
            finding(&kernel_log::ABOUT, "vm1", "Kernel panic - not syncing: sysrq triggered crash"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_kernel_panics_between_two_scenarios",
        // It is made anew for the next scenario, which has to say why.
        cause: panics,
        then_finds: PANICKED_BETWEEN_TWO,
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_kernel_panics_before_another_profile",
        like: Some("damage::guest_kernel_panics_between_two_scenarios"),
        cause: panics,
        then_profile: Some(|profile| {
            impatient(profile);
            profile.settle += Duration::from_secs(1);
        }),
        then_finds: PANICKED_BETWEEN_TWO,
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_resets_and_a_libvirtd_ends_between_two_scenarios",
        like: Some("damage::guest_resets_after_the_last_scenario"),
        breaks_ground: true,
        cause: |fleet| resets(fleet).and_then(|()| end_libvirtd(&fleet.hosts.target)),
        then_finds: &[finding(&reboot::ABOUT, "vm1", ", between the last scenario and this one; ")],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_resets_after_the_last_scenario",
        cause: resets,
        last_finds: &[finding(&reboot::ABOUT, "vm1", ", after the last scenario; ")],
        then_finds: &[finding(&reboot::ABOUT, "vm1", ", between the last scenario and this one; ")],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_kernel_kills_its_witness_between_two_scenarios",
        // The guest is whole and gets another witness for the next scenario, which has to say why.
        slow: true,
        cause: |fleet| oom_kill_in_guest(fleet, "victims=$(pidof multivm-witness)", "multivm-witness"),
        then_finds: &[finding(&kernel_log::ABOUT, "vm1", "killed: multivm-witness")],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_kernel_kills_after_the_last_scenario",
        slow: true,
        // The scenario after it must not say once more what the last look has said.
        breaks_ground: true,
        cause: |fleet| {
            let sleeps = "(exec sleep 600) > /dev/null 2>&1 < /dev/null & victims=$!; until grep -q sleep /proc/$victims/comm; do :; done";
            oom_kill_in_guest(fleet, sleeps, "sleep")
        },
        last_finds: &[finding(&kernel_log::ABOUT, "vm1", "killed: sleep")],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_kernel_dumps_its_stacks",
        like: Some("damage::guest_kernel_kills_for_want_of_memory"),
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
        name: "damage::guest_disk_is_read_only",
        slow: true,
        breaks_ground: true,
        // Whoever has its files open goes on writing them, and its kernel says no word of trouble. No later load can make a file.
        cause: becomes_read_only,
        finds: &[finding(&disk::ABOUT, "vm1", "/ of /dev/vda has become read-only")],
        then: "precopy_orderly::in_vms::stress_io",
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_disk_is_read_only_between_two_scenarios",
        slow: true,
        breaks_ground: true,
        cause: becomes_read_only,
        last_finds: &[finding(&disk::ABOUT, "vm1", "has become read-only, after the last scenario; ")],
        then_finds: &[finding(
            &disk::ABOUT,
            "vm1",
            "has become read-only\nbetween the last scenario and this one",
        )],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_disk_is_read_only_before_another_profile",
        slow: true,
        breaks_ground: true,
        cause: becomes_read_only,
        then_profile: Some(|profile| {
            impatient(profile);
            profile.settle += Duration::from_secs(1);
        }),
        then_finds: &[finding(
            &disk::ABOUT,
            "vm1",
            "has become read-only, between the last scenario and this one; ",
        )],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_disk_is_filled",
        slow: true,
        breaks_ground: true,
        // Its records have their place already. No later load can write a file.
        cause: |fleet| {
            in_guest(fleet, "dd if=/dev/zero of=/var/fill bs=1M 2> /dev/null; sync; [ -s /var/fill ]")
                .map(drop)
        },
        then: "precopy_orderly::in_vms::stress_io",
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_answers_no_echoes",
        breaks_ground: true,
        profile: |profile| {
            quick_to_recover(profile);
            profile.max_gap = Duration::from_secs(3);
            profile.settle = Duration::from_secs(4);
        },
        cause: |fleet| in_guest(fleet, "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all").map(drop),
        // On a slow machine it moves home while it is silent for long.
        finds: &[PROBES_UNANSWERED, NOT_RECOVERED.each_move()],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_kernel_panics_while_it_boots",
        slow: true,
        scenario: "precopy_simultaneous::booting::migrated_vms",
        // Before it is started anew, and after the look whether it is as it was made.
        when: |event| {
            let of_vm1 = |guest: &Option<String>| guest.as_deref() == Some("vm1");
            matches!(event, Event::ChecksHeld { guest, held, .. } if of_vm1(guest) && held.iter().any(|(check, _)| *check == definition::ABOUT.id))
        },
        at_once: true,
        cause: |fleet| {
            let wrong = "virsh dumpxml --inactive vm1 | sed 's,<cmdline>,<cmdline>rdinit=/none ,' > /run/wrong.xml && \
                         virsh define /run/wrong.xml && rm /run/wrong.xml";
            on_host(&fleet.hosts.source, wrong)
        },
        finds: &[
            // Wherever it is by then.
            finding(&kernel_log::ABOUT, "vm1", "its kernel panicked on "),
            finding(&definition::ABOUT, "vm1", "rdinit=/none")
                .perhaps("it takes that definition along when it arrives"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_reset_while_it_boots",
        slow: true,
        scenario: "precopy_simultaneous::booting::migrated_vms",
        when: |event| matches!(event, Event::LegStarted { guest, .. } if guest == "vm1"),
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.source)?.reset().attempting(|| format!("reset {}", guest.name))
        },
        finds: &[
            // It may not come up: seen with QEMU 10.0 in one of three, whose processor runs through zeros at f000, where the firmware should
            // be. The reset explains that.
            finding(&reboot::ABOUT, "vm1", "resets"),
            finding(&overlap::ABOUT, HOSTS, "one after the other").or("not known of any step").perhaps(
                "a guest that is reset has little to send, and may be away before the other one goes",
            ),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::load_guest_dies",
        scenario: "precopy_orderly::booting::load_vms",
        cause: |fleet| on_host(&fleet.hosts.source, "pkill -KILL -f guest=load1"),
        finds: &[finding(&booting::ABOUT, "load1", "load1")],
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
        finds: &[finding(&qemu::ABOUT, "vm1", " on source at ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_suspended",
        like: Some("damage::guest_on_the_wrong_host"),
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.target)?.suspend().attempting(|| format!("suspend {}", guest.name))
        },
        finds: &[finding(&placement::ABOUT, "vm1", "active but not running on target")],
        ..TO_VM1
    },
    Damage {
        name: "damage::second_copy_started",
        breaks_ground: true,
        // It has vm1's name and disk, and runs its firmware, which has nothing to boot and no network: what two guests make of one disk and
        // one address would be chance.
        cause: |fleet| {
            let copy = "virsh -q dumpxml --inactive vm1 | \
                        sed -e '/<kernel>/d; /<initrd>/d; /<cmdline>/d; /<interface/,/<\\/interface>/d' > /run/copy.xml && \
                        virsh -q create /run/copy.xml && rm /run/copy.xml";
            on_host(&fleet.hosts.source, copy)
        },
        finds: &[
            finding(&copies::ABOUT, "vm1", "running on both hosts"),
            finding(&placement::ABOUT, "vm1", "running on source, running on target"),
            finding(&writers::ABOUT, "vm1", "both hosts' QEMU have it open"),
        ],
        ..TO_VM1
    },
    Damage {
        name: "damage::witness_killed",
        slow: true,
        breaks_ground: true,
        cause: |fleet| end_witness(vm1(fleet)),
        finds: &[finding(&memory::ABOUT, "vm1", "cannot ask the witness").each_move()],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_clock_moved",
        cause: |fleet| in_guest(fleet, "date -s @$(($(date +%s) + 3600))").map(drop),
        finds: &[finding(&clock::ABOUT, "vm1", "moved by +3").each_move()],
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
            on_both("vm2").perhaps("a migration that nobody here ordered"),
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
        then_profile: Some(impatient),
        when: |event| matches!(event, Event::LegStarted { .. }),
        finds: &[finding(&live::ABOUT, "vm1", "suspended ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::suspended_by_somebody_else",
        like: Some("damage::suspended_at_timeout"),
        profile: |profile| {
            impatient(profile);
            // The first pass takes some seconds.
            profile.bandwidth = Some(Bytes(24 << 20));
        },
        // Nothing converges at that speed unless it stands still.
        then_profile: Some(impatient),
        when: vm1_is_under_way,
        cause: |fleet| {
            let guest = vm1(fleet);
            guest.known_on(&fleet.hosts.source)?.suspend().attempting(|| format!("suspend {}", guest.name))
        },
        finds: &[finding(&live::ABOUT, "vm1", "suspended ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::qemu_of_a_guest_aborts",
        slow: true,
        cause: |fleet| on_host(&fleet.hosts.target, "pkill -ABRT -f guest=vm1"),
        finds: &[
            finding(&qemu::ABOUT, "vm1", " on target at "),
            finding(&placement::ABOUT, "vm1", "not active on source, not active on target"),
        ],
        ..TO_VM1
    },
];

/// vm1 can write to no file system any more.
fn becomes_read_only(fleet: &Fleet) -> Result<()> {
    let read_only =
        "echo u > /proc/sysrq-trigger; until grep -q '^/dev/vda / ext4 ro' /proc/mounts; do sleep 0.1; done";
    in_guest(fleet, read_only).map(drop)
}

/// What a scenario says of a guest that has panicked before it.
const PANICKED_BETWEEN_TWO: &[ExpectedFinding] =
    &[finding(&kernel_log::ABOUT, "vm1", "its kernel panicked on source: ")
        .saying(&["sysrq triggered crash, between the last scenario and this one"])];

/// Lets the kernel of vm1 panic, and waits until its console shows it.
fn panics(fleet: &Fleet) -> Result<()> {
    in_guest(fleet, "(sleep 1; echo c > /proc/sysrq-trigger) > /dev/null 2>&1 < /dev/null &")?;
    wait_for("the panic of vm1", LIMIT, fleet.stop_flag(), || match fleet.consoles.panic_of("vm1") {
        Some(_) => Poll::Ready(()),
        None => Poll::NotYet("its console shows none".into()),
    })
}

/// Lets the kernel of vm1 kill one of the processes that a script calls `victims`, and waits until it has said so. The kernel chooses it
/// before any other, since no other says that it may.
fn oom_kill_in_guest(fleet: &Fleet, victims: &str, name: &str) -> Result<()> {
    let kill = format!(
        "for victim in $victims; do echo 1000 > /proc/$victim/oom_score_adj; done; echo f > /proc/sysrq-trigger; \
         until dmesg | grep -q 'Killed process .*({name})'; do sleep 0.1; done"
    );
    in_guest(fleet, &format!("{victims}; {kill}")).map(drop)
}

/// Resets vm1, which is on the source.
fn resets(fleet: &Fleet) -> Result<()> {
    let guest = vm1(fleet);
    guest.known_on(&fleet.hosts.source)?.reset().attempting(|| format!("reset {}", guest.name))
}

fn parse_hex(text: &str) -> Result<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).attempting(|| format!("read the address {text:?}"))
}
