//! Things that somebody else makes on the lab's hosts, by hand.

use std::time::Duration;

use multivm::failure::Result;
use multivm::guest::Fleet;
use multivm::host::Host;
use multivm::remote::{Remote, quote};
use multivm::scenario::Side;

const LIMIT: Duration = Duration::from_secs(30);

/// UUID of everything that is planted.
pub const UUID: &str = "5eed5eed-0000-4000-8000-00000000cafe";

/// A small domain of somebody else's, which boots into firmware that finds no disk. `parts` replaces or adds elements.
pub struct Foreign<'a> {
    pub host: &'a Host,
    pub name: &'a str,
    pub uuid: &'a str,
    /// Elements of `<domain>`, and of its `<devices>`.
    pub elements: &'a str,
    pub devices: &'a str,
    pub runs: bool,
}

impl<'a> Foreign<'a> {
    pub fn new(fleet: &'a Fleet, side: Side, name: &'a str) -> Foreign<'a> {
        let host = fleet.hosts.get(side);
        Foreign { host, name, uuid: UUID, elements: "", devices: "", runs: false }
    }

    /// Defines it by virsh, and starts it if it is to run.
    pub fn plant(self) -> Result<Planted<'a>> {
        let xml = format!(
            "<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory unit='MiB'>32</memory>\
             <os><type arch='x86_64' machine='pc'>hvm</type></os>{}\
             <devices>{}<memballoon model='none'/><controller type='usb' model='none'/></devices></domain>",
            self.name, self.uuid, self.elements, self.devices
        );
        let start = if self.runs { format!("&& virsh -q start {}", self.name) } else { String::new() };
        let script =
            format!("f=$(mktemp) && echo {} > $f && virsh -q define $f && rm $f {start}", quote(&xml));
        self.host.remote.check(&script, LIMIT)?;
        let mut planted = Planted { host: self.host, uuid: self.uuid.to_owned(), looked: String::new() };
        planted.looked = planted.look()?;
        Ok(planted)
    }
}

/// A foreign domain that is there, and how it looked when it was planted. Removed when dropped.
pub struct Planted<'a> {
    host: &'a Host,
    uuid: String,
    looked: String,
}

impl Planted<'_> {
    /// What would show that somebody touched it: its name, its state, its QEMU's pid, and its whole definition.
    fn look(&self) -> Result<String> {
        let uuid = &self.uuid;
        let script = format!(
            "virsh -q domname {uuid} && virsh -q domstate --reason {uuid} && virsh -q dumpxml {uuid} | sha256sum && \
             cat /run/libvirt/qemu/$(virsh -q domname {uuid} | head -n 1).pid 2> /dev/null; true"
        );
        self.host.remote.check(&script, LIMIT)
    }

    /// An error if it is not as it was.
    pub fn is_untouched(&self) -> Result<(), String> {
        let looks = self.look().map_err(|failure| failure.to_string())?;
        if looks == self.looked {
            return Ok(());
        }
        Err(format!("the foreign domain was\n{}and is\n{looks}", self.looked))
    }
}

impl Drop for Planted<'_> {
    fn drop(&mut self) {
        let script = format!("virsh -q destroy {0}; virsh -q undefine {0}", self.uuid);
        let _ = self.host.remote.run(&script, LIMIT);
    }
}

/// A network of somebody else's in a host's libvirt, which nobody starts. Removed when dropped.
pub struct ForeignNetwork<'a> {
    host: &'a Host,
    looked: String,
}

/// The bridge of such a network, by which libvirt knows its leases.
const BRIDGE: &str = "virbr77";

/// The folder in which libvirt keeps the leases of its networks.
const LEASES: &str = "/var/lib/libvirt/dnsmasq";

impl<'a> ForeignNetwork<'a> {
    /// Defines the network by virsh. Its DHCP server would have these elements.
    pub fn plant(host: &'a Host, router: &str, dhcp: &str) -> Result<ForeignNetwork<'a>> {
        let xml = format!(
            "<network><name>office</name><bridge name='{BRIDGE}'/><ip address='{router}' netmask='255.255.0.0'>\
             <dhcp>{dhcp}</dhcp></ip></network>"
        );
        let define = format!("f=$(mktemp) && echo {} > $f && virsh -q net-define $f && rm $f", quote(&xml));
        host.remote.check(&define, LIMIT)?;
        let mut planted = ForeignNetwork { host, looked: String::new() };
        planted.looked = planted.look()?;
        Ok(planted)
    }

    /// Leases an address for an hour, as dnsmasq tells libvirt that it has: by libvirt's own program.
    pub fn lease(&mut self, address: &str, mac: &str) -> Result<()> {
        // dnsmasq, which runs for no network that is only defined, finds this folder as the package made it.
        let lease = format!(
            "mkdir -p {LEASES} && VIR_BRIDGE_NAME={BRIDGE} DNSMASQ_LEASE_EXPIRES=$(($(date +%s) + 3600)) \
             /usr/lib/libvirt/libvirt_leaseshelper add {mac} {address} mail"
        );
        self.host.remote.check(&lease, LIMIT)?;
        self.looked = self.look()?;
        Ok(())
    }

    fn look(&self) -> Result<String> {
        let script =
            "virsh -q net-dumpxml office && virsh -q net-info office && virsh -q net-dhcp-leases office";
        self.host.remote.check(script, LIMIT)
    }

    /// An error if it is not as it was.
    pub fn is_untouched(&self) -> Result<(), String> {
        let looks = self.look().map_err(|failure| failure.to_string())?;
        if looks == self.looked {
            return Ok(());
        }
        Err(format!("the foreign network was\n{}and is\n{looks}", self.looked))
    }
}

impl Drop for ForeignNetwork<'_> {
    fn drop(&mut self) {
        let script = format!("virsh -q net-undefine office; rm -f {LEASES}/{BRIDGE}.*; rmdir {LEASES}");
        let _ = self.host.remote.run(&script, LIMIT);
    }
}

/// Everything that a run could have made or removed: domains of both hosts, their QEMUs, and files in the export.
pub fn everything(fleet: &Fleet) -> Result<String> {
    let domains = "virsh -q list --all --uuid --name | sort && virsh -q list --name | sort && \
                   { grep -H . /run/libvirt/qemu/*.pid 2> /dev/null; true; }";
    let mut text = String::new();
    for host in fleet.hosts.both() {
        text += &host.remote.check(domains, LIMIT)?;
    }
    Ok(text + &on_storage(fleet, "ls -i")?)
}

/// Runs a command in the export.
pub fn on_storage(fleet: &Fleet, script: &str) -> Result<String> {
    in_export(&fleet.storage.remote, &fleet.storage.entry.export, script)
}

fn in_export(remote: &Remote, export: &str, script: &str) -> Result<String> {
    remote.check(&format!("cd {} && {script}", quote(export)), LIMIT)
}

/// Runs a command on a host.
pub fn on_host(host: &Host, script: &str) -> Result<String> {
    host.remote.check(script, LIMIT)
}
