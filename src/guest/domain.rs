//! A guest's domain XML, from the template under `fixtures/guest/`.

use minijinja::{Environment, UndefinedBehavior, context};

use super::Guest;
use super::graft::graft;
use crate::axis::AxisValue;
use crate::failure::{Attempt, Result};
use crate::inventory::catalogue::{BootFirmware, DiskKind};
use crate::inventory::{AcceleratorKind, Inventory};
use crate::libvirt::{MARK_NAMESPACE, Version};

const TEMPLATE: &str = include_str!("../../fixtures/guest/domain.xml.j2");

/// The domain XML of one guest.
pub fn xml(guest: &Guest, inventory: &Inventory, oldest_qemu: Version) -> Result<String> {
    let attempted = || format!("write the domain of {} from fixtures/guest/domain.xml.j2", guest.name);
    let guests = &inventory.guests;
    let arch = guests.arch.row();
    let base = inventory.image(guest.member.image.as_deref())?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("domain.xml", TEMPLATE).attempting(attempted)?;
    let template = environment.get_template("domain.xml").attempting(attempted)?;
    let ours = template
        .render(context! {
            domain_type => match inventory.accelerator.kind {
                AcceleratorKind::Kvm => "kvm",
                AcceleratorKind::Tcg => "qemu",
            },
            arch => arch.name,
            features => arch.features,
            cpu_under_tcg => arch.cpu_under_tcg,
            machine => machine(inventory, oldest_qemu),
            cpu => &guests.cpu,
            mark_namespace => MARK_NAMESPACE,
            owner => &guest.owner,
            profile => guest.member.to_string(),
            name => &guest.name,
            uuid => &guest.uuid,
            memory => guest.member.memory.0,
            vcpus => guest.member.vcpus,
            firmware => base.firmware.name(),
            uefi_code => guests.uefi.as_ref().map(|uefi| &uefi.code),
            uefi_variables => guests.uefi.as_ref().map(|uefi| &uefi.variables),
            nvram => guests.uefi.as_ref().map(|uefi| format!("{}/{}_VARS.fd", uefi.own, guest.name)),
            seed => (base.firmware != BootFirmware::Kernel).then(|| guest.seed()),
            kernel => &guests.kernel,
            initramfs => &guests.initramfs,
            command_line => command_line(guest, inventory),
            export => &inventory.storage.export,
            server => &inventory.storage.server,
            image => &guest.image,
            is_copy => base.disk == DiskKind::Copy,
            base_image => base.file,
            base_format => base.format.name(),
            bridge => &guests.bridge,
            mac => &guest.mac,
            mtu => guests.mtu,
            console => console_path(&guest.name),
        })
        .attempting(attempted)?;
    let Some(users) = &base.domain else { return Ok(ours) };
    graft(users, &ours)
        .attempting(|| format!("make the domain of {} from the one of its image {}", guest.name, base.name))
}

/// The machine type, which both hosts must know. QEMU keeps the types of its older versions.
fn machine(inventory: &Inventory, oldest_qemu: Version) -> String {
    let guests = &inventory.guests;
    let of_version = || format!("{}-{}.{}", guests.arch.row().machine, oldest_qemu.major, oldest_qemu.minor);
    guests.machine.clone().unwrap_or_else(of_version)
}

/// The command line of a guest's kernel. `ip=` is the kernel's own syntax (Documentation/admin-guide/nfs/nfsroot.rst),
/// `systemd.machine_id=` is systemd's.
fn command_line(guest: &Guest, inventory: &Inventory) -> String {
    let guests = &inventory.guests;
    let arch = guests.arch.row();
    let emulated = match inventory.accelerator.kind {
        AcceleratorKind::Kvm => "",
        AcceleratorKind::Tcg => arch.under_tcg,
    };
    format!(
        "console={} quiet{emulated} ip={}::{}:{}:{}:eth0 systemd.machine_id={} multivm.key={}",
        arch.console,
        guest.address,
        guests.gateway,
        guests.netmask,
        guest.name,
        guest.uuid.replace('-', ""),
        guests.public_key
    )
}

/// The file of a guest's serial console on its host.
pub fn console_path(name: &str) -> String {
    format!("/var/log/libvirt/qemu/{name}-console.log")
}

/// The guest whose console a host's libvirt logs there.
pub fn guest_of_console(path: &str) -> Option<&str> {
    path.strip_prefix("/var/log/libvirt/qemu/")?.strip_suffix("-console.log")
}

/// Where a host's libvirt lets the guest's QEMU write what it has to say.
pub fn qemu_log_path(name: &str) -> String {
    format!("/var/log/libvirt/qemu/{name}.log")
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::super::role::Role;
    use super::super::survey::SeenDomain;
    use super::super::testing::{guest, inventory};
    use super::*;
    use crate::guest::identity;
    use crate::inventory::catalogue::DiskFormat;
    use crate::inventory::{Arch, ImageEntry, UefiEntry};
    use crate::scenario::{Bytes, Member};

    fn rendered(owner: &str, kind: AcceleratorKind) -> String {
        let mut inventory = inventory(owner);
        inventory.accelerator.kind = kind;
        let guest = guest(Role::Fleet, 1, &inventory).unwrap();
        xml(&guest, &inventory, Version::new(9, 1, 0)).unwrap()
    }

    #[test]
    fn a_guest_carries_the_mark_of_its_owner_and_its_size() {
        let seen = SeenDomain::read("source", false, &rendered("a", AcceleratorKind::Tcg)).unwrap();
        assert!(seen.is_of("a") && !seen.is_of("b"));
        assert_eq!(seen.mark.unwrap().profile, "1 vCPU, 256MiB");
    }

    #[test]
    fn whatever_an_owner_is_called_stays_inside_its_attribute() {
        let owner = r#"a"/><name>x</name> & '"#;
        let seen = SeenDomain::read("source", false, &rendered(owner, AcceleratorKind::Tcg)).unwrap();
        assert!(seen.is_of(owner) && seen.name == "vm1");
    }

    #[test]
    fn a_guest_of_each_architecture_is_defined_in_its_own_words() {
        for arch in Arch::ALL.iter().map(|arch| arch.row()) {
            let mut inventory = inventory("a");
            // Its program for guests of another architecture is built where Rust's target for it is installed, and is in no definition.
            let guest = guest(Role::Fleet, 1, &inventory).unwrap();
            inventory.guests.arch = arch.name.parse().unwrap();
            let xml = xml(&guest, &inventory, Version::new(10, 0, 13)).unwrap();
            Document::parse(&xml).unwrap();
            let kind = format!("<type arch='{}' machine='{}-10.0'>", arch.name, arch.machine);
            let model = format!("<model>{}</model>", arch.cpu_under_tcg);
            for word in [&kind, &model, arch.features, arch.console] {
                assert!(xml.contains(word), "{word} is not in {xml}");
            }
        }
    }

    #[test]
    fn a_guest_boots_by_its_own_address_and_shows_its_console() {
        let guest = guest(Role::Fleet, 1, &inventory("a")).unwrap();
        let xml = rendered("a", AcceleratorKind::Tcg);
        let document = Document::parse(&xml).unwrap();
        let text = |name: &str| {
            document.descendants().find(|node| node.has_tag_name(name)).and_then(|node| node.text()).unwrap()
        };
        assert_eq!((text("name"), text("uuid")), ("vm1", &*guest.uuid));
        let line = text("cmdline");
        assert!(line.contains(&format!("ip={}::198.18.0.1:255.255.0.0:vm1:eth0", guest.address)), "{line}");
        let attribute = |parent: &str, name: &str, attribute: &str| {
            let found = document.descendants().find(|node| {
                node.has_tag_name(name) && node.parent().is_some_and(|above| above.has_tag_name(parent))
            });
            found.and_then(|node| node.attribute(attribute)).unwrap()
        };
        assert_eq!(attribute("serial", "source", "path"), "/var/log/libvirt/qemu/vm1-console.log");
        assert_eq!(attribute("interface", "mac", "address"), guest.mac);
        assert_eq!(attribute("disk", "source", "name"), "/export/vm1.qcow2");
    }

    #[test]
    fn the_network_card_has_the_mtu_of_its_network() {
        let mut inventory = inventory("a");
        let guest = guest(Role::Fleet, 1, &inventory).unwrap();
        let xml = |inventory: &Inventory| xml(&guest, inventory, Version::new(9, 1, 0)).unwrap();
        assert!(!xml(&inventory).contains("<mtu"));
        inventory.guests.mtu = Some(1450);
        assert!(xml(&inventory).contains("<mtu size='1450'/>"));
    }

    #[test]
    fn only_a_guest_under_kvm_gets_the_cpu_that_both_hosts_can_give() {
        let mut inventory = inventory("a");
        inventory.guests.cpu = Some("<cpu mode='custom' match='exact'><model>EPYC</model></cpu>".into());
        let guest = guest(Role::Fleet, 1, &inventory).unwrap();
        for (kind, model) in [(AcceleratorKind::Kvm, "EPYC"), (AcceleratorKind::Tcg, "qemu64")] {
            inventory.accelerator.kind = kind;
            let xml = xml(&guest, &inventory, Version::new(9, 1, 0)).unwrap();
            let document = Document::parse(&xml).unwrap();
            let models = document
                .descendants()
                .filter(|node| node.parent().is_some_and(|cpu| cpu.has_tag_name("cpu")));
            assert_eq!(models.filter_map(|node| node.text()).collect::<Vec<_>>(), [model]);
        }
        assert!(
            rendered("a", AcceleratorKind::Kvm).contains("<cpu mode='host-passthrough' migratable='on'/>")
        );
    }

    /// The domain of a guest that boots from a disk of its own.
    fn of_a_whole_system(firmware: BootFirmware, server: Option<&str>) -> String {
        let mut inventory = inventory("a");
        inventory.storage.server = server.map(str::to_owned);
        inventory.guests.images = vec![ImageEntry {
            name: "debian-13".into(),
            file: "image-debian-13.raw".into(),
            format: DiskFormat::Raw,
            disk: DiskKind::Overlay,
            firmware,
            user: "debian".into(),
            master: None,
            domain: None,
        }];
        let uefi = UefiEntry {
            code: "/firmware/CODE.fd".into(),
            variables: "/firmware/VARS.fd".into(),
            own: "/nvram".into(),
        };
        inventory.guests.uefi = Some(uefi);
        let image = Some("debian-13".to_owned());
        let member = Member { image, vcpus: 2, memory: Bytes(1 << 30) };
        let guest = identity::guest(Role::Fleet, 2, member, &inventory).unwrap();
        xml(&guest, &inventory, Version::new(10, 0, 13)).unwrap()
    }

    #[test]
    fn a_whole_system_boots_from_its_own_disk_and_reads_its_seed() {
        for server in [None, Some("198.18.0.1")] {
            let xml = of_a_whole_system(BootFirmware::Bios, server);
            let document = Document::parse(&xml).unwrap();
            for gone in ["<kernel>", "<cmdline>", "<loader", "<nvram"] {
                assert!(!xml.contains(gone), "{xml}");
            }
            let disks = document.descendants().filter(|node| node.has_tag_name("disk"));
            let files = disks.map(|disk| {
                let source = disk.children().find(|node| node.has_tag_name("source")).unwrap();
                let readonly = disk.children().any(|node| node.has_tag_name("readonly"));
                (source.attribute("name").or(source.attribute("file")).unwrap(), readonly)
            });
            let expected = [("/export/vm2-debian-13.qcow2", false), ("/export/vm2-debian-13-seed.iso", true)];
            assert_eq!(files.collect::<Vec<_>>(), expected);
            let below = document.descendants().find(|node| node.has_tag_name("backingStore")).unwrap();
            let below = below.children().find(|node| node.has_tag_name("source")).unwrap();
            let base = below.attribute("name").or(below.attribute("file"));
            assert_eq!(base, Some("/export/image-debian-13.raw"));
            assert!(xml.contains("<format type='raw'/>"), "{xml}");
            assert!(xml.contains(r#"profile="2 vCPUs, 1GiB, debian-13""#), "{xml}");
        }
    }

    #[test]
    fn a_copy_stands_on_no_other_image() {
        let mut inventory = inventory("a");
        let image = inventory.image(None).unwrap();
        inventory.guests.images = vec![ImageEntry { name: "own".into(), disk: DiskKind::Copy, ..image }];
        for server in [None, Some("198.18.0.1".to_owned())] {
            inventory.storage.server = server;
            let member = Member { image: Some("own".into()), vcpus: 1, memory: Bytes(1 << 30) };
            let guest = identity::guest(Role::Fleet, 1, member, &inventory).unwrap();
            let xml = xml(&guest, &inventory, Version::new(9, 1, 0)).unwrap();
            assert!(xml.contains("<backingStore/>") && !xml.contains("<backingStore type"), "{xml}");
        }
    }

    #[test]
    fn a_guest_that_boots_by_uefi_has_variables_of_its_own() {
        let xml = of_a_whole_system(BootFirmware::Uefi, None);
        let document = Document::parse(&xml).unwrap();
        let of = |name: &str| document.descendants().find(|node| node.has_tag_name(name)).unwrap();
        assert_eq!(of("loader").text(), Some("/firmware/CODE.fd"));
        assert_eq!(of("nvram").attribute("template"), Some("/firmware/VARS.fd"));
        assert_eq!(of("nvram").text(), Some("/nvram/vm2-debian-13_VARS.fd"));
    }

    #[test]
    fn a_domain_of_the_users_own_is_kept_but_for_what_is_the_guests() {
        let mut inventory = inventory("a");
        let guest = guest(Role::Fleet, 1, &inventory).unwrap();
        let ours = xml(&guest, &inventory, Version::new(9, 1, 0)).unwrap();
        let own = "<domain type='qemu'><name>mine</name><memory>1048576</memory><vcpu>3</vcpu><os><type>hvm</type></os>\
                   <devices><disk type='block'><source dev='/dev/sdb'/><target dev='sda' bus='scsi'/></disk>\
                   <interface type='network'><source network='default'/><model type='e1000e'/></interface></devices></domain>";
        inventory.guests.images = vec![ImageEntry {
            name: "own".into(),
            domain: Some(own.into()),
            ..inventory.image(None).unwrap()
        }];
        let member = Member { image: Some("own".into()), ..guest.member.clone() };
        let guest = identity::guest(Role::Fleet, 1, member, &inventory).unwrap();
        let xml = xml(&guest, &inventory, Version::new(9, 1, 0)).unwrap();
        for word in ["<vcpu>3</vcpu>", "bus='scsi'", "e1000e", &guest.mac, &guest.uuid, "vm1-own-console.log"]
        {
            assert!(xml.contains(word), "{word} is not in {xml}");
        }
        assert!(ours.contains("<cmdline>") && !xml.contains("<cmdline>"), "{xml}");
        assert!(SeenDomain::read("source", false, &xml).unwrap().is_of("a"));
    }

    #[test]
    fn where_hosts_have_mounted_the_export_a_disk_is_a_file() {
        let mut inventory = inventory("a");
        inventory.storage.server = None;
        let guest = guest(Role::Fleet, 1, &inventory).unwrap();
        let xml = xml(&guest, &inventory, Version::new(9, 1, 0)).unwrap();
        let document = Document::parse(&xml).unwrap();
        let files: Vec<&str> = document.descendants().filter_map(|node| node.attribute("file")).collect();
        assert_eq!(files, ["/export/vm1.qcow2", "/export/base.qcow2"]);
        assert!(!xml.contains("nfs"), "{xml}");
    }

    #[test]
    fn only_an_emulated_kernel_skips_what_is_for_hardware() {
        let (tcg, kvm) = (rendered("a", AcceleratorKind::Tcg), rendered("a", AcceleratorKind::Kvm));
        assert!(tcg.contains("<domain type='qemu'>") && tcg.contains("mitigations=off"));
        assert!(kvm.contains("<domain type='kvm'>") && !kvm.contains("mitigations=off"));
    }
}
