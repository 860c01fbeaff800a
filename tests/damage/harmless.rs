//! What looks like damage and is none: its scenario passes.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use multivm::failure::{Attempt, Failure, Result};
use multivm::ledger::Ledger;
use multivm::record::{DomainEvent, Event};
use multivm::scenario::Bytes;
use multivm::stand::HostSize;
use multivm::stand::lab::{cgroup, ssh_config};
use multivm::sys::machine;
use multivm_fixtures::selftest::{Damage, end_witness, hook, unhook};

use crate::shared::{
    AFTER_PROOF, LETS_GO_LATE, READ, TO_VM1, disk_fails, disk_goes, held, impatient, in_guest, maps, on_host,
    on_storage, on_this_machine, scenario_starts, url, vm1, vm1_is_away, vm1_is_under_way,
};

pub const DAMAGES: &[Damage] = &[
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
        like: Some("harmless::users_write_to_kernel_logs"),
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
    Damage { name: "harmless::multivm_itself_is_halted", slow: true, cause: |_| halt_multivm(), ..TO_VM1 },
    Damage {
        name: "harmless::multivm_itself_is_halted_amid_a_pass",
        slow: true,
        // The source sends the rest alone, and the guest runs on neither host until multivm calls the target.
        when: vm1_is_under_way,
        cause: |_| halt_multivm(),
        ..TO_VM1
    },
    Damage {
        name: "harmless::kernel_kills_a_stranger_for_want_of_memory",
        cause: |_| oom_kill_of_a_stranger(),
        ..TO_VM1
    },
    Damage {
        name: "harmless::disk_of_a_stranger_fails",
        like: Some("harmless::kernel_kills_a_stranger_for_want_of_memory"),
        // The machine is the host's, too, and nothing on the host is on that disk.
        cause: |fleet| {
            on_host(&fleet.hosts.target, &disk_fails("/mnt"))?;
            on_host(&fleet.hosts.target, &disk_goes("/mnt"))
        },
        ..TO_VM1
    },
    Damage {
        name: "harmless::witness_killed_between_two_scenarios",
        // The guest goes on, and gets another one for the next scenario.
        breaks_ground: true,
        cause: |fleet| end_witness(vm1(fleet)),
        ..AFTER_PROOF
    },
    Damage {
        name: "harmless::page_cache_is_dropped",
        cause: |fleet| in_guest(fleet, "sync; echo 3 > /proc/sys/vm/drop_caches").map(drop),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "harmless::guest_writes_a_new_file_while_it_moves",
        like: Some("harmless::page_cache_is_dropped"),
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
        name: "harmless::guest_mounts_something_read_only",
        // Nobody could write by that way before.
        like: Some("harmless::page_cache_is_dropped"),
        cause: |fleet| {
            let mount = "mkdir -p /run/seen && mount -o bind / /run/seen && mount -o remount,bind,ro /run/seen && \
                         grep -q '^/dev/vda /run/seen ext4 ro' /proc/mounts";
            in_guest(fleet, mount).map(drop)
        },
        undo: |fleet| in_guest(fleet, "umount /run/seen").map(drop),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "harmless::guest_is_busier_after_arrival",
        slow: true,
        when: vm1_is_away,
        at_once: true,
        cause: |fleet| in_guest(fleet, "stress --timeout 4 --cpu 3 --io 1 > /dev/null 2>&1").map(drop),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        // Both are under way by then.
        name: "harmless::guests_are_let_go_late",
        like: Some("harmless::host_is_used"),
        scenario: "precopy_simultaneous::in_vms::stress_cpu",
        when: |event| matches!(event, Event::LegStarted { .. }),
        at_once: true,
        cause: |fleet| hook(&fleet.hosts.source, LETS_GO_LATE),
        undo: |fleet| unhook(&fleet.hosts.source),
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "harmless::definitions_are_read",
        like: Some("harmless::host_is_used"),
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
        name: "harmless::qemu_of_a_stranger_aborts",
        like: Some("harmless::kernel_kills_a_stranger_for_want_of_memory"),
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
        name: "harmless::images_are_read",
        like: Some("harmless::host_is_used"),
        cause: |fleet| {
            let url = url(fleet, &vm1(fleet).image);
            let reads = format!(
                "qemu-img info -U {url} > /dev/null && qemu-img map -U -f raw {url} > /dev/null && {}",
                held(&format!("qemu-nbd -t -r -x vm -f raw -p 10999 {url}"))
            );
            on_storage(fleet, "qemu-img info -U vm1.qcow2 > /dev/null && cat vm1.qcow2 > /dev/null")?;
            on_storage(
                fleet,
                &held("sh -c 'exec 3<vm1.qcow2 4<>neighbour.img && rm neighbour.img && sleep 60'"),
            )?;
            on_storage(fleet, &maps("vm1.qcow2", READ))?;
            let export = ssh_config().with_file_name("export");
            on_this_machine(&held(&format!("sh -c 'exec 3<{}/vm1.qcow2 && sleep 60'", export.display())))?;
            on_host(&fleet.hosts.source, &reads)
        },
        finds: &[],
        ..TO_VM1
    },
    Damage {
        name: "harmless::file_is_written_anew_with_every_start",
        like: Some("harmless::host_is_used"),
        when: scenario_starts,
        at_once: true,
        cause: |fleet| {
            on_host(&fleet.hosts.target, "echo vm0 > /var/lib/libvirt/started")?;
            hook(
                &fleet.hosts.target,
                r#"[ "$2" != started ] || { echo "$1" > /var/lib/libvirt/started; echo "$1" >> /var/log/libvirt/started.log; }"#,
            )
        },
        undo: |fleet| {
            unhook(&fleet.hosts.target)?;
            on_host(&fleet.hosts.target, "rm /var/lib/libvirt/started /var/log/libvirt/started.log")
        },
        ..TO_VM1
    },
    Damage {
        name: "harmless::sets_of_the_packet_filter_have_what_comes_and_goes",
        like: Some("harmless::host_is_used"),
        // The taps of guests that are here, and what expires.
        when: scenario_starts,
        at_once: true,
        cause: |fleet| {
            on_host(
                &fleet.hosts.source,
                "nft 'add table inet known; add set inet known taps { type ifname; }; \
                      add set inet known guests { type ipv4_addr; flags timeout; }'",
            )?;
            let started = r#"tap=$(sed -n "s/.*<target dev='\(vnet[0-9]*\)'.*/\1/p")
                [ "$2" != started ] || nft "add element inet known taps { $tap }; add element inet known guests { 192.0.2.7 timeout 1h }""#;
            hook(&fleet.hosts.source, started)
        },
        undo: |fleet| {
            unhook(&fleet.hosts.source)?;
            on_host(
                &fleet.hosts.source,
                "nft list set inet known taps | grep vnet && nft delete table inet known",
            )
        },
        ..TO_VM1
    },
    Damage {
        name: "harmless::image_of_a_load_guest_is_read",
        like: Some("harmless::host_is_used"),
        scenario: "precopy_orderly::booting::load_vm",
        cause: |fleet| {
            let image = &fleet.load_guests[0].image;
            on_storage(fleet, &held(&format!("sh -c 'exec 3<{image} && exec sleep 60'")))
        },
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

/// Halts the process of multivm for 25 s.
fn halt_multivm() -> Result<()> {
    let me = std::process::id();
    let halt = format!("kill -STOP {me}; sleep 25; kill -CONT {me}");
    let halted = Command::new("sh").args(["-c", &halt]).status().attempting(|| "halt multivm".into())?;
    if halted.success() { Ok(()) } else { Err(Failure::new("halt multivm", halted.to_string())) }
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
