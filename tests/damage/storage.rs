//! Damage to images and to their server, and writers that do not belong to them.

use multivm::check::{disk, image, leftovers, placement, writers};
use multivm::guest::Fleet;
use multivm::record::Event;
use multivm::stand::lab::ssh_config;
use multivm_fixtures::selftest::{Damage, ExpectedFinding, HOSTS, finding};

use crate::shared::{
    HELD, LIMIT, READ_AND_WRITTEN, TO_VM1, held, in_guest, maps, on_host, on_storage, on_this_machine, url,
    vm1,
};

pub const DAMAGES: &[Damage] = &[
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
                 {}; exit; done; exit 1",
                fleet.storage.entry.export,
                run.trim(),
                writes(image, "$((at + 2000))", "aa"),
            );
            fleet.storage.remote.check(&script, LIMIT).map(drop)
        },
        finds: &[finding(&disk::ABOUT, "vm1", "kind=torn"), HOLDER],
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
        // One entry of the image's refcount table, which is where bytes 48 to 56 of a qcow2 file say. QEMU does not write it again: it
        // happens after the last look, when guests are about to stand still.
        name: "damage::image_loses_a_refcount",
        when: |event| matches!(event, Event::ChecksHeld { held, .. } if held.iter().any(|(check, _)| *check == leftovers::ABOUT.id)),
        at_once: true,
        cause: |fleet| {
            let image = &vm1(fleet).image;
            let script = format!(
                "number() {{ od -An -tu8 --endian=big -j $1 -N 8 {image} | tr -d ' '; }}; block=$(number $(number 48)) && \
                 printf '\\0\\0' | dd of={image} bs=1 seek=$((block + 2)) conv=notrunc",
            );
            on_storage(fleet, &script)
        },
        finds: &[finding(&image::ABOUT, "vm1", "1 corruptions")],
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
        name: "damage::image_opened_by_standard_input",
        like: Some("damage::second_qemu_by_hand"),
        // No command line ever names it, and no domain has it: there is only a connection.
        cause: |fleet| {
            let url = url(fleet, &vm1(fleet).image);
            let wait = HELD.as_secs();
            on_host(
                &fleet.hosts.source,
                &format!("(echo 'open -o driver=raw {url}'; sleep {wait}) | qemu-io > /dev/null"),
            )
        },
        finds: &[finding(&writers::ABOUT, HOSTS, "qemu-io (pid ")
            .saying(&[" on source is connected to the storage, and nothing says why"])],
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
        // No command line ever names it. A PCI slot takes nothing while its guest runs, unless the guest has ACPI.
        cause: |fleet| {
            let domain = "<domain type='qemu'><name>neighbour</name><memory unit='MiB'>16</memory><os><type>hvm</type></os>\
                          <features><acpi/></features></domain>";
            let disk = disk_of_vm1(fleet);
            let wait = HELD.as_secs();
            on_host(
                &fleet.hosts.source,
                &format!(
                    "echo \"{domain}\" > /run/neighbour.xml && echo \"{disk}\" > /run/disk.xml && \
                     virsh create --paused /run/neighbour.xml && virsh attach-device neighbour /run/disk.xml --live && sleep {wait}; came=$?; \
                     virsh destroy neighbour; rm /run/neighbour.xml /run/disk.xml; exit $came"
                ),
            )
        },
        finds: &[finding(&writers::ABOUT, "vm1", "the QEMU of domain neighbour")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_exported_by_another_name",
        like: Some("damage::second_qemu_by_hand"),
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
        cause: |fleet| on_storage(fleet, &held("sh -c 'exec 3<>vm1.qcow2 && exec sleep 60'")),
        finds: &[finding(&writers::ABOUT, "vm1", "sleep (pid ").saying(&[" on storage has it"])],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_of_a_load_guest_open_on_the_server",
        like: Some("damage::image_open_on_the_server"),
        scenario: "precopy_orderly::booting::load_vm",
        cause: |fleet| {
            let image = &fleet.load_guests[0].image;
            on_storage(fleet, &held(&format!("sh -c 'exec 3<>{image} && exec sleep 60'")))
        },
        finds: &[finding(&writers::ABOUT, "load1", "sleep (pid ").saying(&[" on storage has it"])],
        ..TO_VM1
    },
    Damage {
        name: "damage::load_guest_starts_on_the_other_host",
        like: Some("damage::image_open_on_the_server"),
        scenario: "precopy_orderly::booting::load_vm",
        // As on the source, and beside it.
        cause: |fleet| {
            let xml = fleet.hosts.source.remote.check("virsh dumpxml --inactive load1", LIMIT)?;
            let wait = HELD.as_secs();
            on_host(
                &fleet.hosts.target,
                &format!(
                    "cat > /run/load1.xml <<'END'\n{xml}\nEND\nvirsh create --paused /run/load1.xml && sleep {wait}; \
                     virsh destroy load1; rm /run/load1.xml"
                ),
            )
        },
        finds: &[finding(&writers::ABOUT, "load1", " on target, the QEMU of domain load1 has it")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_mapped_on_the_server",
        like: Some("damage::image_open_on_the_server"),
        // And not open any more.
        cause: |fleet| on_storage(fleet, &maps("vm1.qcow2", READ_AND_WRITTEN)),
        finds: &[finding(&writers::ABOUT, "vm1", "perl (pid ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_open_on_the_machine_under_the_server",
        like: Some("damage::image_open_on_the_server"),
        cause: |fleet| {
            on_this_machine(&held(&format!("sh -c 'exec 3<>{} && exec sleep 60'", image_of_vm1(fleet))))
        },
        finds: &[finding(&writers::ABOUT, "vm1", "sleep of the machine under it (pid ")],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_is_a_loop_device_of_the_machine_under_the_server",
        slow: true,
        cause: |fleet| {
            let image = image_of_vm1(fleet);
            let wait = HELD.as_secs();
            on_this_machine(&format!(
                "device=$(losetup --find --show {image}) && sleep {wait}; losetup --detach $device"
            ))
        },
        finds: &[finding(&writers::ABOUT, "vm1", "loop").saying(&[" on storage has it"])],
        ..TO_VM1
    },
    Damage {
        name: "damage::image_opened_again_and_again",
        like: Some("damage::image_open_on_the_server"),
        // By a process of its own each time, which no two looks see.
        cause: |fleet| {
            let opens = "while :; do sh -c 'exec 3<>vm1.qcow2 && exec sleep 0.03'; done";
            on_storage(fleet, &held(&format!("sh -c \"{opens}\"")))
        },
        finds: &[finding(&writers::ABOUT, "vm1", "sleep (pid ").up_to(MANY)],
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
            on_storage(fleet, &held(&format!("sh -c 'exec 3>>{image} && exec sleep 60'")))
        },
        finds: &[finding(&writers::ABOUT, HOSTS, "sleep (pid ").saying(&[" on storage has it"])],
        ..TO_VM1
    },
    Damage {
        name: "damage::connections_to_the_server_that_stay",
        like: Some("damage::things_left_behind"),
        // Where clients ask for an export's handle, which is no port at which they write.
        cause: |fleet| {
            let stay = "port=$(rpcinfo -p 127.0.0.1 | perl -ane 'if ($F[0] == 100005 && $F[2] eq \"tcp\") { print $F[3]; exit }') && \
                        setsid -f timeout 120 perl -MIO::Socket::INET -e \"@held = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1:$port') or die } 1..40; \
                        sleep 120\" < /dev/null > /dev/null 2>&1 && until [ $(ss -Htn state established dport = :$port | wc -l) -ge 40 ]; do sleep 0.1; done";
            on_storage(fleet, stay)
        },
        undo: |fleet| on_storage(fleet, "pkill -x perl"),
        finds: &[
            finding(&leftovers::ABOUT, HOSTS, "on storage: process perl (pid "),
            finding(&leftovers::ABOUT, HOSTS, "on storage: ganesha.nfsd (pid ")
                .saying(&[" file descriptors, "]),
        ],
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
];

/// A program that writes to the image, and has it open for as long as two looks take to see that.
const HOLDER: ExpectedFinding = finding(&writers::ABOUT, "vm1", "perl (pid ").saying(&[" on storage has it"]);

/// A script by which that program writes bytes in hexadecimal at a place.
fn writes(image: &str, at: &str, bytes: &str) -> String {
    format!(
        "perl -e 'open(F, \"+<\", shift) or die; sysseek(F, shift, 0) or die; syswrite(F, pack(\"H*\", shift)) or die; sleep {}' \
         {image} {at} {bytes}",
        HELD.as_secs()
    )
}

/// Two processes a look, twice a second, for as long as somebody holds the image.
const MANY: usize = 4 * HELD.as_secs() as usize;

/// vm1's image by its path on the machine of which the storage server is a part.
fn image_of_vm1(fleet: &Fleet) -> String {
    ssh_config().with_file_name("export").join(&vm1(fleet).image).display().to_string()
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
