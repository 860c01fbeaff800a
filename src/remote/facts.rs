//! What a host says of itself.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use roxmltree::Document;

use super::{CALLER, Remote, quote};
use crate::failure::{Failure, Result};

/// What a host runs to say what it has.
const SCRIPT: &str = include_str!("facts.sh");

/// What a host runs to say who has it.
const LEASE: &str = include_str!("lease.sh");

/// What a host runs to say what the login's user may do without root's rights.
const ACCESS: &str = include_str!("access.sh");

/// The end of what a host says.
const END: &str = "say end yes\n";

/// What every script has that asks a host something.
const PRELUDE: &str = include_str!("prelude.sh");

/// QEMU's status, the fact `kvm_status`, after the boot sector of the trial of KVM has run.
pub const KVM_RAN: u64 = 85;

/// The ports at which QEMU receives guests, unless its host's qemu.conf has others (libvirt's src/qemu/qemu.conf.in).
const MIGRATION_PORTS: [u64; 2] = [49152, 49215];

/// The facts that a script prints on a host: a line for each, or a text between `<<NAME` and `>>NAME`.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    values: HashMap<String, Vec<String>>,
    texts: HashMap<String, String>,
}

/// What a host is asked about that only some hosts have; empty where it is of no interest.
#[derive(Debug, Clone, Default)]
pub struct FactsAbout {
    /// The folder that is to be the shared storage.
    pub folder: String,
    /// The bridge for guests.
    pub bridge: String,
    /// The subnet of the overlay for guests.
    pub subnet: String,
    /// Programs that hosts may have, beside those that every pair needs.
    pub programs: Vec<&'static str>,
    /// The names or addresses of the overlay's other members.
    pub members: Vec<String>,
}

/// A host's way to another member of an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The member's IPv4 address.
    pub address: Ipv4Addr,
    /// The MTU of the link that leads there.
    pub mtu: u32,
}

/// The whole script, which knows from where its user has logged in.
fn script() -> String {
    [CALLER, LEASE, SCRIPT].concat()
}

impl Facts {
    /// Asks a host what it has, also of what a run is to use there.
    ///
    /// # Errors
    ///
    /// The host did not say it all within `limit`.
    pub fn ask(remote: &Remote, of: &FactsAbout, limit: Duration) -> Result<Facts> {
        let FactsAbout { folder, bridge, subnet, programs, members } = of;
        let programs = programs.join(" ");
        let words = [folder, bridge, subnet, &programs].into_iter().chain(members).map(String::as_str);
        Facts::said(remote, &script(), &words.collect::<Vec<_>>(), limit)
    }

    /// Asks a host who has it by a lease.
    ///
    /// # Errors
    ///
    /// The host did not say it within `limit`.
    pub fn of_lease(remote: &Remote, limit: Duration) -> Result<Facts> {
        Facts::said(remote, &[LEASE, END].concat(), &[], limit)
    }

    /// Asks a host what the login's user may do there, without root's rights.
    ///
    /// # Errors
    ///
    /// The host did not say it within `limit`.
    pub fn of_user(remote: &Remote, limit: Duration) -> Result<Facts> {
        Facts::said(remote, &[ACCESS, END].concat(), &[], limit)
    }

    /// Runs a script on a host, as root if it can be, and takes what it says. It comes from standard input, so that nothing has to be
    /// there before.
    ///
    /// # Errors
    ///
    /// The script did not come to its end within `limit`.
    pub fn said(remote: &Remote, script: &str, words: &[&str], limit: Duration) -> Result<Facts> {
        let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
        let command = format!("exec sh -s -- {}", words.join(" "));
        let printed = remote.run_with_input(&command, [PRELUDE, script].concat().as_bytes(), limit)?;
        Facts::parse(&printed.stdout).ok_or_else(|| {
            let said = printed.stderr.lines().last().unwrap_or("nothing").to_owned();
            let what = format!("the script did not end; it said {said}");
            Failure::new("ask what the host has", what).at(remote.name())
        })
    }

    /// The texts, by their names.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Parses what the script printed; none if it did not come to its end.
    pub fn parse(printed: &str) -> Option<Facts> {
        let mut facts = Facts::default();
        let mut open: Option<(String, String)> = None;
        for line in printed.lines() {
            match &mut open {
                Some((name, _)) if line.strip_prefix(">>") == Some(name) => {
                    let (name, text) = open.take()?;
                    facts.texts.insert(name, text.trim().to_owned());
                }
                Some((_, text)) => {
                    text.push_str(line);
                    text.push('\n');
                }
                None => match (line.strip_prefix("<<"), line.split_once(' ')) {
                    (Some(name), _) => open = Some((name.to_owned(), String::new())),
                    (None, Some((name, value))) => {
                        facts.values.entry(name.to_owned()).or_default().push(value.trim().to_owned());
                    }
                    (None, None) => {}
                },
            }
        }
        facts.one("end").is_some().then_some(facts)
    }

    /// The fact of that name; none if the host said nothing of it.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first().map(String::as_str)
    }

    /// All facts of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.get(name).into_iter().flatten().map(String::as_str)
    }

    /// The fact of that name as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.one(name)?.parse().ok()
    }

    /// Whether the host said this, perhaps among others.
    pub fn says(&self, name: &str, value: &str) -> bool {
        self.values.get(name).is_some_and(|values| values.iter().any(|said| said == value))
    }

    /// Whether the host has that program.
    pub fn has(&self, program: &str) -> bool {
        self.says("has", program)
    }

    /// A text of many lines; empty if the host printed none.
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The first and the last port at which the host's QEMU receives guests.
    pub fn migration_ports(&self) -> [u64; 2] {
        let [first, last] = MIGRATION_PORTS;
        [("migration_port_min", first), ("migration_port_max", last)]
            .map(|(name, usual)| self.number(name).unwrap_or(usual))
    }

    /// The way to a member of the overlay, by the name or address that the host was asked about; none if there is none.
    pub fn way(&self, member: &str) -> Option<Route> {
        let ways = self.values.get("way")?.iter();
        let mut words = ways.map(|way| way.split_whitespace().collect::<Vec<_>>());
        words.find_map(|words| match words[..] {
            [of, address, mtu] if of == member => {
                Some(Route { address: address.parse().ok()?, mtu: mtu.parse().ok()? })
            }
            _ => None,
        })
    }

    /// The machine types for guests of an architecture. Names that stand for another one differ from host to host, and are left
    /// out.
    pub fn machine_types(&self, arch: &str) -> BTreeSet<String> {
        let find = |document: &Document<'_>| {
            let of_arch = document
                .descendants()
                .find(|node| node.has_tag_name("arch") && node.attribute("name") == Some(arch))?;
            let machines = of_arch.children().filter(|node| node.has_tag_name("machine"));
            let plain = machines.filter(|machine| machine.attribute("canonical").is_none());
            Some(plain.filter_map(|machine| machine.text().map(str::to_owned)).collect())
        };
        self.xml("capabilities", find).unwrap_or_default()
    }

    /// Looks into a text that is XML; none if it is not.
    pub fn xml<T>(&self, name: &str, look: impl Fn(&Document<'_>) -> Option<T>) -> Option<T> {
        Document::parse(self.text(name)).ok().and_then(|document| look(&document))
    }
}

#[cfg(test)]
impl Facts {
    /// What a script says on this machine, as a host runs it: from standard input, which no program in it may read.
    pub fn of_this_machine(script: &str, words: &[&str]) -> Facts {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut sh = Command::new("sh");
        sh.env("SSH_CONNECTION", "192.0.2.9 5000 192.0.2.1 22");
        sh.args(["-s", "--"]).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = sh.spawn().unwrap();
        child.stdin.take().unwrap().write_all([PRELUDE, script].concat().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Facts::parse(&String::from_utf8(output.stdout).unwrap()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_texts_are_told_apart() {
        let facts =
            Facts::parse("has nft\nhas ip\nuid 0\n<<domains\nvm1\nhas none\n\n>>domains\nend yes\n").unwrap();
        assert_eq!((facts.number("uid"), facts.one("os")), (Some(0), None));
        assert!(facts.has("nft") && facts.has("ip") && !facts.has("none"));
        assert_eq!(facts.text("domains"), "vm1\nhas none");
    }

    #[test]
    fn a_script_that_did_not_end_tells_nothing() {
        assert!(Facts::parse("uid 0\n").is_none());
    }

    #[test]
    fn this_machine_says_what_it_is() {
        let facts = Facts::of_this_machine(SCRIPT, &["/tmp", "lo", "", "sh no-such-program"]);
        assert_eq!(facts.one("arch"), Some(std::env::consts::ARCH));
        assert!(facts.number("memory_kib").unwrap() > 0 && facts.one("folder") == Some("yes"));
        assert!(facts.number("state_free_kib").is_some() && facts.number("folder_free_kib").is_some());
        assert_eq!(facts.one("bridge"), None, "lo is no bridge");
        assert!(facts.has("sh") && !facts.has("no-such-program"), "only what it has");
    }

    #[test]
    fn a_user_says_whether_libvirt_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("PATH={}:$PATH\n", folder.path().display());
        let script = [&path, ACCESS, END].concat();
        let virsh = |text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let file = folder.path().join("virsh");
            std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            Facts::of_this_machine(&script, &[])
        };
        let good = virsh("echo qemu:///system");
        assert_eq!((good.one("libvirt"), good.one("refused")), (Some("qemu:///system"), None));
        let bad = virsh("echo 'error: no connection' >&2; echo 'error: permission denied' >&2; exit 1");
        assert_eq!((bad.one("libvirt"), bad.one("refused")), (None, Some("error: no connection")));
    }

    #[test]
    fn a_lease_is_said_as_far_as_it_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let lease = folder.path().join("lease");
        let script = [LEASE, END].concat().replace("/var/lib/multivm/lease", lease.to_str().unwrap());
        let said = || Facts::of_this_machine(&script, &[]);
        assert_eq!(said().one("lease"), None);
        std::fs::create_dir(&lease).unwrap();
        let facts = said();
        assert_eq!(facts.one("lease"), Some("nobody knows whom"));
        assert_eq!((facts.one("lease_run"), facts.number("lease_silence_s")), (None, None));
        for (name, text) in [("holder", "root on ci7\n"), ("run", "R1\n"), ("beat", "")] {
            std::fs::write(lease.join(name), text).unwrap();
        }
        let facts = said();
        assert_eq!((facts.one("lease"), facts.one("lease_run")), (Some("root on ci7"), Some("R1")));
        assert!(facts.number("lease_silence_s").unwrap() < 60);
    }

    #[test]
    fn this_machine_knows_the_way_to_itself() {
        let facts = Facts::of_this_machine(
            &script(),
            &["", "", "127.1.0.0/16", "", "127.0.0.1", "no.such.name.invalid"],
        );
        let way = facts.way("127.0.0.1").unwrap();
        assert_eq!(way.address, Ipv4Addr::LOCALHOST);
        assert!(way.mtu > 1500, "{way:?}");
        assert_eq!(facts.way("no.such.name.invalid"), None);
        assert_eq!(facts.one("client"), Some("192.0.2.9"));
    }
}
