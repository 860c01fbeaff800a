//! What a user's own domain needs of each host: an accelerator, a machine type, a QEMU. libvirt says what a host has.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::blockers::devices;

/// What a domain names that a host may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainNeeds {
    /// `kvm` or `qemu`, the domain's type.
    pub kind: String,
    arch: Option<String>,
    machine: Option<String>,
    emulator: Option<String>,
}

/// Something that a host lacks for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLack {
    /// The host's place: 0 is the source, 1 is the target.
    pub host: usize,
    pub what: String,
    /// What the user may write instead.
    pub instead: String,
}

/// What libvirt's capabilities say of one architecture of guests on a host.
struct Offer {
    kinds: BTreeSet<String>,
    emulators: Vec<String>,
    /// Each machine type, and the one that it stands for.
    machines: Vec<(String, Option<String>)>,
}

impl DomainNeeds {
    /// What a domain needs, by its XML; none of what is no domain.
    pub fn of(domain: &str) -> Option<DomainNeeds> {
        let document = Document::parse(domain).ok()?;
        let domain = document.root_element();
        let owned = |text: Option<&str>| text.map(|text| text.trim().to_owned());
        let of_os = domain
            .children()
            .find(|node| node.has_tag_name("os"))
            .and_then(|os| os.children().find(|node| node.has_tag_name("type")));
        let attribute = |name: &str| owned(of_os.and_then(|node| node.attribute(name)));
        Some(DomainNeeds {
            kind: owned(domain.attribute("type"))?,
            arch: attribute("arch"),
            machine: attribute("machine"),
            emulator: owned(devices(domain, "emulator").next().and_then(|node| node.text())),
        })
    }

    /// What the hosts lack, by libvirt's capabilities of each. Of a host that did not say what it has, nothing is known. `has_file` tells
    /// whether a host has a program of that path, which libvirt does not know.
    pub fn lacks(&self, capabilities: [&str; 2], has_file: impl Fn(usize, &str) -> bool) -> Vec<HostLack> {
        let documents = capabilities.map(|text| Document::parse(text).ok());
        let offers = documents.each_ref().map(|document| Some(self.offer(document.as_ref()?.root_element())));
        let mut lacks = Vec::new();
        for (host, offer) in offers.iter().enumerate() {
            let Some(offer) = offer else { continue };
            let Some(offer) = offer else {
                let arch = self.arch.as_deref().unwrap_or("this architecture");
                let what = format!("its libvirt knows no guests of {arch}");
                lacks.push(HostLack { host, what, instead: "an `arch` that both hosts have".to_owned() });
                continue;
            };
            if !offer.kinds.contains(&self.kind) {
                let kinds: Vec<&str> = offer.kinds.iter().map(String::as_str).collect();
                let what = format!("it has no `{}`, but {}", self.kind, kinds.join(", "));
                lacks.push(HostLack {
                    host,
                    what,
                    instead: "`<domain type='qemu'>`, or hosts with KVM".to_owned(),
                });
            }
            if let Some(emulator) = &self.emulator
                && !offer.emulators.contains(emulator)
            {
                if !has_file(host, emulator) {
                    let what = format!("it has no {emulator}, but {}", offer.emulators.join(", "));
                    let instead = "no `<emulator>`, or one that both hosts have".to_owned();
                    lacks.push(HostLack { host, what, instead });
                }
                // Nobody knows the machine types of such a program.
                continue;
            }
            // The guest is defined on the source, which gives the name that stands for it to the target.
            let source = offers[0].as_ref().and_then(Option::as_ref);
            let wanted = self
                .machine
                .as_ref()
                .map(|name| source.map_or(name.as_str(), |source| source.stands_for(name)));
            if let Some(machine) = wanted.filter(|machine| !offer.has(machine)) {
                let what = format!("it has no machine type {machine}{}", self.written(machine));
                let instead = "a `machine` that `virsh capabilities` of both hosts has".to_owned();
                lacks.push(HostLack { host, what, instead });
            }
        }
        lacks
    }

    /// The name in the file, if it is another one.
    fn written(&self, machine: &str) -> String {
        let other = self.machine.as_deref().filter(|name| *name != machine);
        other.map(|name| format!(", for which `{name}` stands on the source")).unwrap_or_default()
    }

    fn offer(&self, capabilities: Node<'_, '_>) -> Option<Offer> {
        let arch = self.arch.as_deref();
        let of_arch = capabilities.descendants().find(|node| {
            node.has_tag_name("arch")
                && node.parent().is_some_and(|above| above.has_tag_name("guest"))
                && arch.is_none_or(|arch| node.attribute("name") == Some(arch))
        })?;
        let text = |node: Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
        // Some are below a `<domain>` of their own.
        let all = |name: &'static str| of_arch.descendants().filter(move |node| node.has_tag_name(name));
        Some(Offer {
            kinds: all("domain").filter_map(|node| node.attribute("type").map(str::to_owned)).collect(),
            emulators: all("emulator").map(text).collect(),
            machines: all("machine")
                .map(|node| (text(node), node.attribute("canonical").map(str::to_owned)))
                .collect(),
        })
    }
}

impl Offer {
    fn has(&self, machine: &str) -> bool {
        self.machines.iter().any(|(name, canonical)| name == machine || canonical.as_deref() == Some(machine))
    }

    /// The machine type for which a name stands; the name itself, if it stands for none.
    fn stands_for<'a>(&'a self, machine: &'a str) -> &'a str {
        let found = self.machines.iter().find(|(name, _)| name == machine);
        found.and_then(|(_, canonical)| canonical.as_deref()).unwrap_or(machine)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DOMAIN: &str = "<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-9.2'>hvm</type></os>\
                          <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>";

    fn host(emulator: &str, newest: &str, kinds: &str) -> String {
        format!(
            "<capabilities><guest><os_type>hvm</os_type><arch name='x86_64'><emulator>{emulator}</emulator>\
             <machine canonical='pc-q35-{newest}'>q35</machine><machine>pc-q35-9.2</machine>{kinds}</arch></guest></capabilities>"
        )
    }

    const BOTH: &str = "<domain type='qemu'/><domain type='kvm'/>";
    const USUAL: &str = "/usr/bin/qemu-system-x86_64";

    fn lacks(old: &str, new: &str, source: &str, target: &str) -> Vec<(usize, String)> {
        let needs = DomainNeeds::of(&DOMAIN.replacen(old, new, 1)).unwrap();
        let lacks = needs.lacks([source, target], |_, path| path == "/opt/qemu");
        lacks.into_iter().map(|lack| (lack.host, lack.what)).collect()
    }

    #[rstest]
    #[case::as_both_have_it("", "")]
    #[case::without_an_emulator("<emulator>/usr/bin/qemu-system-x86_64</emulator>", "")]
    #[case::of_ones_own("/usr/bin/qemu-system-x86_64", "/opt/qemu")]
    #[case::without_kvm("'kvm'", "'qemu'")]
    #[case::without_a_machine(" machine='pc-q35-9.2'", "")]
    fn a_domain_of_what_both_hosts_have_lacks_nothing(#[case] old: &str, #[case] new: &str) {
        let host = host(USUAL, "10.0", BOTH);
        assert_eq!(lacks(old, new, &host, &host), []);
        assert_eq!(lacks(old, new, "", ""), [], "nobody knows");
    }

    #[test]
    fn what_one_host_lacks_is_said_of_it() {
        let good = host(USUAL, "10.0", BOTH);
        let of = |old: &str, new: &str, target: &str| lacks(old, new, &good, target);
        let without_kvm = host(USUAL, "10.0", "<domain type='qemu'/>");
        assert_eq!(of("", "", &without_kvm), [(1, "it has no `kvm`, but qemu".into())]);
        let elsewhere = host("/usr/libexec/qemu-kvm", "10.0", BOTH);
        let expected = "it has no /usr/bin/qemu-system-x86_64, but /usr/libexec/qemu-kvm";
        assert_eq!(of("", "", &elsewhere), [(1, expected.into())]);
        let newer = of("9.2", "11.0", &good);
        assert_eq!(newer, [0, 1].map(|at| (at, "it has no machine type pc-q35-11.0".to_owned())));
        assert!(of("x86_64'", "riscv64'", &good)[0].1.contains("no guests of riscv64"));
    }

    #[test]
    fn a_name_that_stands_for_another_one_is_the_sources() {
        let (newer, older) = (host(USUAL, "10.0", BOTH), host(USUAL, "9.2", BOTH));
        assert_eq!(lacks("pc-q35-9.2", "q35", &older, &newer), []);
        let expected = "it has no machine type pc-q35-10.0, for which `q35` stands on the source";
        assert_eq!(lacks("pc-q35-9.2", "q35", &newer, &older), [(1, expected.to_owned())]);
    }
}
