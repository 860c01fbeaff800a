//! The two machines: what tells one from the other, and what both are.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::Ipv4Net;

/// The subnet of the machines and their guests.
pub const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 9, 0), 24);

/// Memory of a machine, MiB.
pub const MEMORY_MIB: u64 = 3072;

/// CPUs of a machine.
pub const CPUS: u32 = 2;

/// The size of the buffer in which QEMU keeps the code that it translated, MiB.
pub const CODE_MIB: u64 = 1024;

/// The bridge inside a machine, which has the machine's address.
pub const BRIDGE: &str = "br0";

/// What tells a machine from the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    pub name: &'static str,
    pub address: &'static str,
    pub mac: &'static str,
    /// The UUID in the machine's firmware. libvirt takes it for the host's, and migrates to no host with the UUID of its own.
    pub uuid: &'static str,
    /// The machine's port of the switch.
    pub tap: &'static str,
}

pub const MACHINES: [Machine; 2] = [
    Machine {
        name: "host1",
        address: "198.18.9.11",
        mac: "52:54:00:99:00:01",
        uuid: "6d756c74-6976-4d00-8000-000000000001",
        tap: "host1",
    },
    Machine {
        name: "host2",
        address: "198.18.9.12",
        mac: "52:54:00:99:00:02",
        uuid: "6d756c74-6976-4d00-8000-000000000002",
        tap: "host2",
    },
];

/// The paths inside the tree in which a machine's QEMU runs.
pub mod inside {
    /// The image that the machine booted from.
    pub const IMAGE: &str = "/mnt/image";
    /// The snapshot of both machines.
    pub const SNAPSHOT: &str = "/mnt/snapshot";
    /// What the running machine writes.
    pub const OWN: &str = "/mnt/own";
}

impl Machine {
    /// QEMU's arguments for the machine with this disk. A state is of use only to the same arguments.
    pub fn arguments(&self, disk: &str) -> Vec<String> {
        let Machine { name, mac, uuid, tap, .. } = self;
        let (image, own) = (inside::IMAGE, inside::OWN);
        let mut arguments = [
            format!("-name {name} -uuid {uuid} -nodefaults -no-user-config -display none"),
            // Five-level page tables make nested paging deeper.
            format!(
                "-accel tcg,thread=multi,tb-size={CODE_MIB} -cpu max,la57=off -smp {CPUS} -m {MEMORY_MIB}"
            ),
            format!("-chardev socket,id=qmp,path={own}/qmp,server=on,wait=off -mon chardev=qmp,mode=control"),
            format!("-serial file:{own}/console.log -kernel {image}/vmlinuz -initrd {image}/initrd.img"),
            // The disk is thrown away, or finished when its QEMU has ended: nothing is gained by waiting for the medium.
            format!("-drive file={disk},format=qcow2,if=virtio,cache=unsafe"),
            format!("-netdev tap,id=nic,ifname={tap},script=no,downscript=no"),
            format!("-device virtio-net-pci,netdev=nic,mac={mac} -device virtio-rng-pci"),
        ]
        .join(" ")
        .split(' ')
        .map(str::to_owned)
        .collect::<Vec<_>>();
        arguments.extend(["-append".to_owned(), KERNEL.to_owned()]);
        for (credential, text) in self.credentials() {
            // Base64 has no comma, which would end the value.
            let text = BASE64_STANDARD.encode(text);
            arguments.extend([
                "-smbios".to_owned(),
                format!("type=11,value=io.systemd.credential.binary:{credential}={text}"),
            ]);
        }
        arguments
    }

    /// What the machine's systemd finds in its firmware (systemd.system-credentials(7)).
    fn credentials(&self) -> [(&'static str, String); 3] {
        let Machine { name, address, .. } = self;
        let prefix = SUBNET.prefix_len();
        [
            ("system.hostname", (*name).to_owned()),
            (
                "network.netdev.20-br0",
                format!("[NetDev]\nName={BRIDGE}\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n"),
            ),
            (
                "network.network.20-br0",
                format!("[Match]\nName={BRIDGE}\n\n[Network]\nAddress={address}/{prefix}\n"),
            ),
        ]
    }
}

/// The kernel's command line of both machines. On a busy machine udev would give up a device that takes its 3 minutes, such as the
/// network card, and the kernel its timer, whose check guests of KVM are spared by themselves.
const KERNEL: &str = "root=/dev/vda rw console=ttyS0 selinux=1 security=selinux mitigations=off udev.event_timeout=1200 no_timer_check";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(machine: &Machine) -> Vec<String> {
        machine.arguments("/mnt/own/disk.qcow2")
    }

    #[test]
    fn the_machines_differ_in_all_that_tells_hosts_apart() {
        let [one, other] = &MACHINES;
        for (a, b) in [
            (one.name, other.name),
            (one.address, other.address),
            (one.mac, other.mac),
            (one.uuid, other.uuid),
            (one.tap, other.tap),
        ] {
            assert_ne!(a, b);
        }
        for machine in &MACHINES {
            let address: Ipv4Addr = machine.address.parse().unwrap();
            assert!(SUBNET.contains(&address) && !super::super::network::GUESTS.contains(&address));
        }
    }

    #[test]
    fn an_argument_is_one_word_and_the_kernels_line_is_one_argument() {
        let arguments = of(&MACHINES[0]);
        let value = |option: &str| {
            let at = arguments.iter().position(|argument| argument == option).unwrap();
            arguments[at + 1].as_str()
        };
        assert_eq!(value("-append"), KERNEL);
        assert_eq!(value("-drive"), "file=/mnt/own/disk.qcow2,format=qcow2,if=virtio,cache=unsafe");
        assert_eq!(value("-uuid"), MACHINES[0].uuid);
        assert_eq!(value("-m"), "3072");
    }

    #[test]
    fn a_machine_finds_its_name_in_its_firmware() {
        let name = BASE64_STANDARD.encode("host2");
        let credential = format!("type=11,value=io.systemd.credential.binary:system.hostname={name}");
        assert!(of(&MACHINES[1]).contains(&credential));
    }
}
