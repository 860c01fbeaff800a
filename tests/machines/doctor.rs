//! The doctor on machine hosts that are broken, one way at a time: every way is something that users of migration report, and the
//! doctor must name it, with what to do.

use std::process::Command;

use libtest_mimic::{Completion, Failed};
use multivm::remote::Remote;

use super::{ANSWER_LIMIT, Raised, expect};

/// A way in which hosts are broken.
struct Broken {
    name: &'static str,
    /// Commands for root of the source and of the target, which break it. `$own` and `$peer` are their addresses, `$id` is the
    /// source's machine id.
    breaks: [&'static str; 2],
    /// Commands that mend it.
    mends: [&'static str; 2],
    /// What is replaced in the inventory file.
    inventory: &'static [(&'static str, &'static str)],
    /// What the environment has.
    environment: &'static [(&'static str, &'static str)],
    /// A diagnosis, as the doctor begins its line; words of it; words of its advice.
    says: (&'static str, &'static str, &'static str),
}

const NOTHING: Broken = Broken {
    name: "",
    breaks: ["", ""],
    mends: ["", ""],
    inventory: &[],
    environment: &[],
    says: ("", "", ""),
};

/// The guests' bridge of the inventory, and another one.
const OTHER_BRIDGE: &[(&str, &str)] = &[("bridge = \"br0\"", "bridge = \"br7\"")];
/// The storage of the inventory, and a folder that is to be shared already.
const MOUNT: &[(&str, &str)] = &[("serve_on = \"source\"", "mount = \"/srv/vms\"")];

/// Commands that share a folder of the source by NFS: its mode, an option of the export, and one of the target's mount.
macro_rules! shared {
    ($mode:literal, $export:literal, $mount:literal) => {
        [
            concat!(
                "firewall-cmd -q --add-service=nfs; mkdir -p /srv/vms /srv/export; chmod ",
                $mode,
                " /srv/export; for host in $own $peer; do exportfs -o rw,",
                $export,
                " $host:/srv/export; done; mount -t nfs -o vers=4.2 $own:/srv/export /srv/vms"
            ),
            concat!("mkdir -p /srv/vms; mount -t nfs -o vers=4.2", $mount, " $peer:/srv/export /srv/vms"),
        ]
    };
}

/// Commands that take that back.
const UNSHARE: [&str; 2] = [
    "umount /srv/vms; firewall-cmd -q --remove-service=nfs; \
     for host in $own $peer; do exportfs -u $host:/srv/export; done; rm -rf /srv/export",
    "umount /srv/vms",
];

const WAYS: &[Broken] = &[
    Broken {
        name: "a firewall rejects the migration ports",
        inventory: &[("\"firewall\", ", "")],
        says: (
            "MISSING  target: migration ports",
            "No route to host: a firewall rejects it",
            "firewall-cmd --add-rich-rule",
        ),
        ..NOTHING
    },
    Broken {
        name: "a firewall drops the migration ports",
        breaks: [
            "firewall-cmd -q --add-rich-rule 'rule family=ipv4 port port=49152-49215 protocol=tcp drop'",
            "",
        ],
        mends: [
            "firewall-cmd -q --remove-rich-rule 'rule family=ipv4 port port=49152-49215 protocol=tcp drop'",
            "",
        ],
        says: (
            "warn     source: migration ports",
            "no answer: a firewall drops it",
            "multivm may do it: `firewall` is allowed",
        ),
        ..NOTHING
    },
    Broken {
        name: "libvirt does not run",
        breaks: [
            "",
            "systemctl -q stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service",
        ],
        mends: [
            "",
            "systemctl start libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service",
        ],
        says: (
            "MISSING  target: libvirt",
            "neither libvirtd nor virtqemud is active",
            "systemctl start libvirtd.socket",
        ),
        ..NOTHING
    },
    Broken {
        name: "the target's name cannot be resolved",
        inventory: &[("[pair.target]\n", "[pair.target]\nmigration_address = \"kvm2.invalid\"\n")],
        says: ("MISSING  target: migration ports", "resolution", "`migration_address` takes one"),
        ..NOTHING
    },
    Broken {
        name: "the target's name is localhost",
        breaks: ["", "hostname localhost"],
        mends: ["", "hostname host2"],
        says: (
            "warn     target: name",
            "localhost: libvirt refuses to announce it",
            "hostnamectl hostname NAME",
        ),
        ..NOTHING
    },
    Broken {
        name: "both hosts have one UUID",
        breaks: [
            "",
            "echo 'host_uuid = \"6d756c74-6976-4d00-8000-000000000001\"' >> /etc/libvirt/libvirtd.conf; systemctl restart libvirtd",
        ],
        mends: ["", "sed -i '/^host_uuid = /d' /etc/libvirt/libvirtd.conf; systemctl restart libvirtd"],
        says: ("MISSING  host UUIDs", "it will not migrate from a host to itself", "host_uuid_source"),
        ..NOTHING
    },
    Broken {
        name: "one host was cloned from the other",
        breaks: ["", "cp /etc/machine-id /etc/machine-id.own; echo $id > /etc/machine-id"],
        mends: ["", "mv /etc/machine-id.own /etc/machine-id"],
        says: ("warn     machine ids", "is it one host, or was one cloned?", "systemd-machine-id-setup"),
        ..NOTHING
    },
    Broken {
        name: "the host key is another one",
        // Each answers in the other's place.
        inventory: &[
            ("\"198.18.9.11\"", "SOURCE"),
            ("\"198.18.9.12\"", "\"198.18.9.11\""),
            ("SOURCE", "\"198.18.9.12\""),
        ],
        says: ("MISSING  login", "host key", "was the host installed anew?"),
        ..NOTHING
    },
    Broken {
        name: "the password is wrong",
        inventory: &[("./password", "./wrong")],
        says: ("MISSING  login", "", "wanted: a login by one of the ways that its sshd offers"),
        ..NOTHING
    },
    Broken {
        name: "sshd forbids root's password",
        breaks: [
            "",
            "echo 'PermitRootLogin prohibit-password' > /etc/ssh/sshd_config.d/00-broken.conf; systemctl restart ssh",
        ],
        // By the connection that this test has open.
        mends: ["", "rm /etc/ssh/sshd_config.d/00-broken.conf; systemctl restart ssh"],
        says: ("MISSING  login", "", "`PermitRootLogin prohibit-password` forbids root's password"),
        ..NOTHING
    },
    Broken {
        name: "the user is not root",
        breaks: ["useradd -m plain; usermod -p \"$(getent shadow root | cut -d : -f 2)\" plain", ""],
        mends: ["pkill -KILL -u plain; userdel -f -r plain 2> /dev/null; ! id plain 2> /dev/null", ""],
        inventory: &[("[pair.source]\n", "[pair.source]\nuser = \"plain\"\n")],
        says: ("MISSING  source: login", "as plain, who is not root", "`sudo = \"nopasswd\"`"),
        ..NOTHING
    },
    Broken {
        name: "SELinux forbids images on NFS",
        inventory: &[("\"selinux\", ", "")],
        says: ("MISSING  source: SELinux", "QEMU gets `Permission denied`", "setsebool virt_use_nfs on"),
        ..NOTHING
    },
    Broken {
        name: "QEMU may not use userfaultfd",
        inventory: &[("\"sysctl\", ", "")],
        says: (
            "MISSING  target: post-copy",
            "vm.unprivileged_userfaultfd is 0",
            "sysctl -w vm.unprivileged_userfaultfd=1",
        ),
        ..NOTHING
    },
    Broken {
        name: "the shared folder is not there",
        inventory: MOUNT,
        says: ("MISSING  target: storage", "/srv/vms is not there", "mounted at this path"),
        ..NOTHING
    },
    Broken {
        name: "the shared folder is two local ones",
        breaks: ["mkdir -p /srv/vms", "mkdir -p /srv/vms"],
        mends: ["rmdir /srv/vms", "rmdir /srv/vms"],
        inventory: MOUNT,
        says: ("MISSING  storage of both", "is not there on the target", "findmnt -T"),
        ..NOTHING
    },
    Broken {
        name: "NFS makes root nobody",
        breaks: shared!("755", "root_squash", ""),
        mends: UNSHARE,
        inventory: MOUNT,
        says: ("MISSING  storage of both", "ermission denied", "no_root_squash"),
        ..NOTHING
    },
    Broken {
        name: "QEMU's user cannot get to the images",
        breaks: shared!("700", "no_root_squash", ""),
        mends: UNSHARE,
        inventory: MOUNT,
        says: (
            "MISSING  source: storage of both",
            "may not open it for writing",
            "libvirt-qemu can get to the folder",
        ),
        ..NOTHING
    },
    Broken {
        name: "the mount is soft",
        breaks: shared!("755", "no_root_squash", ",soft"),
        mends: UNSHARE,
        inventory: MOUNT,
        says: ("warn     target: storage", "soft", "guests lose writes while the server is slow"),
        ..NOTHING
    },
    Broken {
        name: "the mount is read-only",
        breaks: shared!("755", "no_root_squash", ",ro"),
        mends: UNSHARE,
        inventory: MOUNT,
        says: ("MISSING  target: storage", "ro,", "wanted: writable"),
        ..NOTHING
    },
    Broken {
        name: "a mount hangs, whose server has gone",
        breaks: [
            "mkdir -p /srv/export; exportfs -o rw,no_root_squash $peer:/srv/export; \
             firewall-cmd -q --add-service=nfs",
            "mkdir -p /mnt/gone; mount -t nfs -o vers=4.2,hard $peer:/srv/export /mnt/gone; ip route add blackhole $peer",
        ],
        mends: [
            "exportfs -u $peer:/srv/export; rm -rf /srv/export; firewall-cmd -q --remove-service=nfs",
            "ip route del blackhole $peer; umount -f /mnt/gone || umount -l /mnt/gone; rmdir /mnt/gone",
        ],
        says: ("warn     target: mounts", "/mnt/gone did not answer within 20 s", "umount -f -l /mnt/gone"),
        ..NOTHING
    },
    Broken {
        name: "guests have no room",
        environment: &[("MULTIVM_MEMORY", "4GiB")],
        says: ("MISSING  source: memory", "MiB available", "MULTIVM_MEMORY"),
        ..NOTHING
    },
    Broken {
        name: "the target has no such bridge",
        breaks: ["ip link add br7 type bridge; ip link set br7 up", ""],
        mends: ["ip link delete br7", ""],
        inventory: OTHER_BRIDGE,
        says: ("MISSING  target: network", "there is no bridge br7", "a bridge of this name on both hosts"),
        ..NOTHING
    },
    Broken {
        name: "the target's bridge is down",
        breaks: ["ip link add br7 type bridge; ip link set br7 up", "ip link add br7 type bridge"],
        mends: ["ip link delete br7", "ip link delete br7"],
        inventory: OTHER_BRIDGE,
        says: ("MISSING  target: network", "the bridge br7 is down", "ip link set br7 up"),
        ..NOTHING
    },
    Broken {
        name: "the bridge has a spanning tree",
        breaks: ["ip link add br7 type bridge stp_state 1 forward_delay 1500; ip link set br7 up", ""],
        mends: ["ip link delete br7", ""],
        inventory: OTHER_BRIDGE,
        says: (
            "warn     source: bridge",
            "a guest that arrives is not heard for twice that long",
            "stp_state 0",
        ),
        ..NOTHING
    },
    Broken {
        name: "a stateful firewall sees the bridge",
        breaks: ["modprobe br_netfilter; sysctl -q net.bridge.bridge-nf-call-iptables=1", ""],
        mends: ["rmmod br_netfilter", ""],
        says: ("warn     source: bridge", "bridge-nf-call-iptables is 1", "bridge-nf-call-iptables=0"),
        ..NOTHING
    },
    Broken {
        name: "a guest of our name is somebody's",
        breaks: [
            "",
            "echo '<domain type=\"qemu\"><name>vm1</name><memory>65536</memory><os><type>hvm</type></os></domain>' > /tmp/vm1.xml; \
             virsh -q define /tmp/vm1.xml; rm /tmp/vm1.xml",
        ],
        mends: ["", "virsh -q undefine vm1"],
        says: ("MISSING  target: guests", "names that multivm's guests have: vm1", "are they somebody's?"),
        ..NOTHING
    },
    Broken {
        name: "somebody works there with multivm",
        breaks: [
            "",
            "mkdir -p /var/lib/multivm/lease; cd /var/lib/multivm/lease; echo other > run; echo 'root on ci7' > holder; : > beat",
        ],
        mends: ["", "rm -rf /var/lib/multivm"],
        says: ("MISSING  target: lease", "it is leased to root on ci7", "reap --inventory FILE --take-over"),
        ..NOTHING
    },
    Broken {
        name: "the target's clock is wrong",
        breaks: ["", "date -s '+1 hour' > /dev/null"],
        mends: ["", "date -s '-1 hour' > /dev/null"],
        says: ("warn     target: clock", "+3", "wanted: within 1 s"),
        ..NOTHING
    },
    Broken {
        name: "the target has no KVM",
        breaks: ["", "rmmod kvm_amd"],
        mends: ["", "modprobe kvm_amd"],
        says: ("warn     target: KVM", "there is no /dev/kvm", "modprobe kvm_intel or kvm_amd"),
        ..NOTHING
    },
    Broken {
        name: "there is no client of NFS",
        breaks: ["", "mv /usr/sbin/mount.nfs /root/mount.nfs"],
        mends: ["", "mv /root/mount.nfs /usr/sbin/mount.nfs"],
        inventory: &[("\"packages\", ", "")],
        says: ("MISSING  target: storage", "an NFS client is not installed", "apt-get install nfs-common"),
        ..NOTHING
    },
    Broken {
        name: "sshd lets few in at once",
        breaks: ["echo 'MaxStartups 2:30:10' > /etc/ssh/sshd_config.d/00-broken.conf", ""],
        mends: ["rm /etc/ssh/sshd_config.d/00-broken.conf", ""],
        says: (
            "warn     source: sshd",
            "MaxStartups begins to refuse connections at 2",
            "wanted: 10 or more",
        ),
        ..NOTHING
    },
    Broken {
        name: "a host does not answer",
        inventory: &[("address = \"198.18.9.12\"", "address = \"198.18.9.99\"")],
        says: ("MISSING  login", "198.18.9.99", "is it up"),
        ..NOTHING
    },
];

/// Breaks the hosts in every way, one after another, and asks the doctor each time.
pub fn says_what_is_wrong() -> Result<Completion, Failed> {
    let hosts = Raised::up()?;
    let site = Site::of(&hosts)?;
    let healthy = site.ask(&NOTHING)?;
    expect(!healthy.contains("MISSING"), &format!("whole hosts lack something:\n{healthy}"))?;
    let told = |why: &String| eprintln!("machines: WRONG: {why}");
    let wrong: Vec<String> = WAYS.iter().filter_map(|way| site.meets(way).inspect_err(told).err()).collect();
    let mended = site.ask(&NOTHING)?;
    expect(mended.lines().count() == healthy.lines().count(), &format!("not all was mended:\n{mended}"))?;
    expect(wrong.is_empty(), &format!("{} of {} ways:\n{}", wrong.len(), WAYS.len(), wrong.join("\n")))?;
    eprintln!("machines: the doctor named {} ways of {}", WAYS.len(), WAYS.len());
    hosts.down()?;
    Ok(Completion::Completed)
}

/// The hosts as somebody has them who writes an inventory.
struct Site {
    folder: tempfile::TempDir,
    inventory: String,
    hosts: [Remote; 2],
    /// What the commands of each host begin with.
    heads: [String; 2],
}

impl Site {
    fn of(raised: &Raised) -> Result<Site, Failed> {
        let folder = tempfile::tempdir()?;
        let password = raised.inventory.with_file_name("password");
        // Its permissions come along.
        std::fs::copy(&password, folder.path().join("password"))?;
        std::fs::copy(&password, folder.path().join("wrong"))?;
        std::fs::write(folder.path().join("wrong"), "not this\n")?;
        let [(source, first), (target, second)] = raised.hosts()?;
        let id = first.check("cat /etc/machine-id", ANSWER_LIMIT)?;
        let heads = [(&source, &target), (&target, &source)]
            .map(|(own, peer)| format!("own={own} peer={peer} id={}\n", id.trim()));
        let inventory = std::fs::read_to_string(&raised.inventory)?;
        Ok(Site { folder, inventory, hosts: [first, second], heads })
    }

    /// Breaks the hosts, asks the doctor, and mends them, whatever came out.
    fn meets(&self, way: &Broken) -> Result<(), String> {
        let Broken { name, says: (begin, words, advice), .. } = way;
        let [source, target] = way.breaks;
        let said = self.run(0, source).and_then(|()| self.run(1, target)).and_then(|()| self.ask(way));
        // What the target has of the source goes first, and what can be mended is, whatever cannot.
        let [source, target] = way.mends;
        let mended = [self.run(1, target), self.run(0, source)].into_iter().collect::<Result<(), _>>();
        let told = |what: &str| format!("{name}: {what}");
        let said = said.map_err(|failure| told(&format!("{failure:?}")))?;
        mended.map_err(|failure| told(&format!("not mended: {failure:?}")))?;
        // The advice follows on a line of its own.
        let mut entries: Vec<String> = Vec::new();
        for line in said.lines() {
            match entries.last_mut() {
                Some(entry) if line.trim_start().starts_with("-> ") => *entry += &format!(" {}", line.trim()),
                _ => entries.push(line.to_owned()),
            }
        }
        let entry = entries.iter().find(|entry| entry.starts_with(begin) && entry.contains(words));
        match entry {
            Some(entry) if entry.contains(advice) => {
                eprintln!("machines: {name}: {entry}");
                Ok(())
            }
            _ => Err(told(&format!("wanted `{begin}` with `{words}` and `{advice}`; it said:\n{said}"))),
        }
    }

    fn run(&self, at: usize, command: &str) -> Result<(), Failed> {
        if !command.is_empty() {
            self.hosts[at].check(&format!("{}{command}", self.heads[at]), ANSWER_LIMIT)?;
        }
        Ok(())
    }

    /// What the doctor says of the hosts by an inventory that is changed as that way wants it.
    fn ask(&self, way: &Broken) -> Result<String, Failed> {
        let mut inventory = self.inventory.clone();
        for (from, to) in way.inventory {
            expect(inventory.contains(from), &format!("{}: the inventory has no {from}", way.name))?;
            inventory = inventory.replace(from, to);
        }
        let path = self.folder.path().join("inventory.toml");
        std::fs::write(&path, inventory)?;
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_multivm"));
        // The hosts' default would be the profile of real ones.
        let doctor = doctor.args(["doctor", "--inventory"]).arg(&path).env("MULTIVM_PROFILE", "lab");
        let output = doctor.envs(way.environment.iter().copied()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }
}
