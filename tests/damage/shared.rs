//! What damages have in common: whom they befall and when, findings that come with many of them, and acts in guests and on hosts.

use std::process::Command;
use std::time::Duration;

use multivm::check::{copies, qemu, reachable, recovery, writers};
use multivm::failure::{Attempt, Failure, Result};
use multivm::guest::{Fleet, Guest};
use multivm::host::Host;
use multivm::record::{DomainEvent, Event};
use multivm::scenario::{Direction, Profile};
use multivm_fixtures::selftest::{Damage, ExpectedFinding, HOSTS, finding, unhook};

/// What most of them have in common: it happens to the first guest, which is on the target, when the second one goes.
pub const TO_VM1: Damage = Damage {
    name: "",
    scenario: "precopy_orderly::in_vms::stress_cpu",
    profile: impatient,
    when: second_guest_goes,
    at_once: false,
    cause: |_| Ok(()),
    undo: |_| Ok(()),
    finds: &[],
    slow: false,
    like: None,
    proves: false,
    last_finds: &[],
    breaks_ground: false,
    then: "precopy_orderly::in_vms::stress_cpu",
    then_finds: &[],
    then_profile: None,
};

/// What befalls the first guest after a scenario that has proved it: the next one finds it, or the last look of a run.
pub const AFTER_PROOF: Damage = Damage { when: checks_have_ended, at_once: true, proves: true, ..TO_VM1 };

/// What befalls every migration: it happens before the first one is ordered.
pub const TO_ALL: Damage = Damage {
    when: |event| matches!(event, Event::LegStarted { .. }),
    at_once: true,
    undo: |fleet| unhook(&fleet.hosts.target),
    ..TO_VM1
};

/// vm1 is down for longer than it may be silent, and nothing says why. That explains looks at it that are under way.
pub const PROBES_UNANSWERED: ExpectedFinding = finding(&reachable::ABOUT, "vm1", "longest gap ");

/// vm1 is down from its arrival on the target to the end.
pub const NOT_RECOVERED: ExpectedFinding = finding(&recovery::ABOUT, "vm1", "silent for ");

/// Which guests run on a host that does not answer. That explains whatever else is asked of its libvirt.
pub const COPIES_UNKNOWN: ExpectedFinding = finding(&copies::ABOUT, HOSTS, "not known for ");

/// Who has images open on a machine that does not answer.
pub const WRITERS_UNKNOWN: ExpectedFinding = finding(&writers::ABOUT, HOSTS, "not known for ");

/// A receiving QEMU that stays when its migration has failed.
pub const fn on_both(guest: &'static str) -> ExpectedFinding {
    finding(&writers::ABOUT, guest, "both hosts' QEMU have it open")
        .perhaps("the QEMU that was to receive it may stay, and have its image open")
}

/// How long one act of damage may take.
pub const LIMIT: Duration = Duration::from_secs(30);

pub fn vm1(fleet: &Fleet) -> &Guest {
    &fleet.guests[0]
}

pub fn in_guest(fleet: &Fleet, script: &str) -> Result<String> {
    vm1(fleet).agent.remote().check(script, LIMIT)
}

pub fn on_host(host: &Host, script: &str) -> Result<()> {
    host.remote.check(script, LIMIT).map(drop)
}

pub fn on_storage(fleet: &Fleet, script: &str) -> Result<()> {
    let script = format!("cd {} && {{ {script}; }}", fleet.storage.entry.export);
    fleet.storage.remote.check(&script, LIMIT).map(drop)
}

/// How long somebody holds an image: a look comes twice a second.
pub const HELD: Duration = Duration::from_secs(10);

/// A script that lets a program run for that long, and fails if it does not.
pub fn held(program: &str) -> String {
    format!("{{ timeout {} {program}; [ $? = 124 ]; }}", HELD.as_secs())
}

/// What memory may be used for, as mmap(2) has it.
pub const READ: u32 = 1;
pub const READ_AND_WRITTEN: u32 = 3;

/// A script that maps the beginning of a file for that long, and closes the file before.
pub fn maps(file: &str, used: u32) -> String {
    let number = if cfg!(target_arch = "x86_64") { 9 } else { 222 };
    let mode = if used == READ { "<" } else { "+<" };
    // Shared, at an address of the kernel's choice.
    held(&format!(
        "perl -e 'open(F, \"{mode}\", \"{file}\") or die; \
         (syscall({number}, 0, 4096, {used}, 1, fileno(F), 0) != -1) or die; close(F); sleep 60'"
    ))
}

/// Runs a shell script on the machine of which the lab's hosts are parts.
pub fn on_this_machine(script: &str) -> Result<()> {
    let attempted = || format!("run `{script}` on this machine");
    let output = Command::new("sh").args(["-c", script]).output().attempting(attempted)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(attempted(), format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))))
}

/// A script that mounts a disk at a place of a host and writes to it more than it can take: a loop device in a file that
/// cannot grow any more.
pub fn disk_fails(place: &str) -> String {
    format!(
        "set -e; [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; \
         for number in $(seq 0 15); do [ -e /dev/loop$number ] || mknod /dev/loop$number b 7 $number; done; \
         mkdir /run/failing; mount -t tmpfs -o size=4m failing /run/failing; truncate -s 32M /run/failing/disk; \
         mkfs.ext4 -q -O ^has_journal /run/failing/disk; mount $(losetup --find --show /run/failing/disk) {place}; \
         if dd if=/dev/zero of={place}/full bs=1M count=16 conv=fsync 2> /dev/null; then exit 1; fi"
    )
}

/// A script that takes away the disk of [`disk_fails`].
pub fn disk_goes(place: &str) -> String {
    format!(
        "device=$(losetup --associated /run/failing/disk --output NAME --noheadings); umount {place}; losetup --detach $device; \
         umount /run/failing; rmdir /run/failing"
    )
}

/// An image in the export, as QEMU's NFS client takes it. As a raw one: it finds no backing file by a name without a folder.
pub fn url(fleet: &Fleet, image: &str) -> String {
    let storage = &fleet.storage.entry;
    format!("nfs://{}{}/{image}", storage.login.address, storage.export)
}

/// Guests that are dead on purpose are not to be waited for as long as others.
pub fn impatient(profile: &mut Profile) {
    profile.max_gap = Duration::from_secs(6);
    // Also where few CPUs stretch it: a guest that is down has not recovered.
    profile.max_recovery = profile.max_recovery.min(profile.max_gap);
    profile.boot_timeout = Duration::from_secs(40);
}

/// A guest that is silent for 3 s after its arrival has not recovered, with a CPU for each of them.
pub fn quick_to_recover(profile: &mut Profile) {
    impatient(profile);
    profile.max_gap = Duration::from_secs(20);
    profile.max_recovery = Duration::from_secs(3);
}

pub fn vm1_is_away(event: &Event) -> bool {
    matches!(event, Event::LegFinished { guest, direction: Direction::Out, .. } if guest == "vm1")
}

pub fn vm1_is_under_way(event: &Event) -> bool {
    matches!(event, Event::LibvirtEvent { guest: Some(guest), what: DomainEvent::Iteration { pass: 1 }, .. }
        if guest == "vm1")
}

/// Nothing has been looked at yet.
pub fn scenario_starts(event: &Event) -> bool {
    matches!(event, Event::ScenarioStarted { .. })
}

/// The checks of the end are over, and what comes is the next scenario's.
pub fn checks_have_ended(event: &Event) -> bool {
    matches!(event, Event::ChecksHeld { held, .. } if held.iter().any(|(check, _)| *check == qemu::ABOUT.id))
}

fn second_guest_goes(event: &Event) -> bool {
    matches!(event, Event::LegStarted { guest, direction: Direction::Out, .. } if guest == "vm2")
}

/// Part of a hook. It keeps libvirt from ending the guest that has left first, until a QEMU here sends the other one.
pub const LETS_GO_LATE: &str = r#"if [ "$2 $3" = "stopped end" ]; then
    sends() { cat /proc/net/tcp /proc/net/tcp6 | grep -qE ' [0-9A-F]+:C0[0-3][0-9A-F] 01 '; }
    tries=100; until sends || ! pgrep -f guest=vm > /dev/null || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done
fi
"#;
