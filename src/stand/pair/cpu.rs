//! The CPU of guests under KVM: their host's own where both hosts have the same, else one that both can give.

use std::collections::BTreeSet;
use std::time::Duration;

use roxmltree::{Document, Node};

use crate::failure::Result;
use crate::remote::{Facts, KVM_RAN, Remote};

/// How long libvirt of a host may think about CPUs.
const LIMIT: Duration = Duration::from_secs(60);

/// The command that computes a CPU that several hosts can give, from their `domcapabilities` on its standard input: by
/// virConnectBaselineHypervisorCPU, without what holds up a migration.
pub const BASELINE: &str = "virsh -q -c qemu:///system hypervisor-cpu-baseline /dev/stdin --migratable";

/// The command that fails if a host cannot give the CPU on its standard input.
const COMPARE: &str = "virsh -q -c qemu:///system hypervisor-cpu-compare /dev/stdin";

/// The CPU for guests of two hosts.
#[derive(Debug, PartialEq, Eq)]
pub enum GuestCpu {
    /// Guests get what the lab's get: the same host-model is on both hosts, or guests are emulated.
    Ordinary(String),
    /// The hosts differ, and both can give this one.
    Common { differ: String, model: String, xml: String },
    /// The hosts differ, and have none that both can give.
    No { differ: String, why: String },
    /// A host did not say what it has.
    Unknown,
}

/// The model of a CPU.
#[derive(Debug, PartialEq, Eq)]
struct Model {
    name: String,
    /// Features beside those of the model; one that is disabled has a `!`.
    features: BTreeSet<String>,
}

impl GuestCpu {
    /// Chooses the CPU for guests of the source and the target. Hosts that differ are asked which one both can give.
    ///
    /// # Errors
    ///
    /// A host does not answer.
    pub fn of(remotes: [&Remote; 2], facts: [&Facts; 2]) -> Result<GuestCpu> {
        if facts.iter().any(|facts| facts.text("domain_capabilities").is_empty()) {
            return Ok(GuestCpu::Unknown);
        }
        if facts.iter().any(|facts| facts.number("kvm_status") != Some(KVM_RAN)) {
            return Ok(GuestCpu::Ordinary("guests are emulated, with the same CPU on both".into()));
        }
        let [Some(one), Some(other)] = facts.map(Model::of_host) else { return Ok(GuestCpu::Unknown) };
        if one == other {
            let words = format!("{} with the same {} features on both", one.name, one.features.len());
            return Ok(GuestCpu::Ordinary(words));
        }
        let differ = format!(
            "source: {}, with {}; target: {}, with {}",
            one.name,
            one.lacking(&other),
            other.name,
            other.lacking(&one)
        );
        let said = facts.map(|facts| facts.text("domain_capabilities")).concat();
        let computed = remotes[0].run_with_input(BASELINE, said.as_bytes(), LIMIT)?;
        let Some(model) = Model::read(&computed.stdout) else {
            return Ok(GuestCpu::No { differ, why: computed.stderr.trim().to_owned() });
        };
        let xml = computed.stdout.trim().to_owned();
        for remote in remotes {
            let compared = remote.run_with_input(COMPARE, xml.as_bytes(), LIMIT)?;
            if compared.status != 0 {
                let why = format!(
                    "libvirt of {} cannot give {}: {}",
                    remote.name(),
                    model.name,
                    compared.stdout.trim()
                );
                return Ok(GuestCpu::No { differ, why });
            }
        }
        Ok(GuestCpu::Common {
            differ,
            model: format!("{} with {} features", model.name, model.features.len()),
            xml,
        })
    }
}

impl Model {
    /// The host's own model, as guests can get it; none if the host did not say it.
    fn of_host(facts: &Facts) -> Option<Model> {
        facts.xml("domain_capabilities", |document| {
            let is_it = |node: &Node<'_, '_>| {
                node.has_tag_name("mode") && node.attribute("name") == Some("host-model")
            };
            Model::of(document.descendants().find(is_it)?)
        })
    }

    /// Reads libvirt's `<cpu>`; none if it is none.
    fn read(xml: &str) -> Option<Model> {
        let document = Document::parse(xml).ok()?;
        Model::of(document.root_element()).filter(|_| document.root_element().has_tag_name("cpu"))
    }

    fn of(node: Node<'_, '_>) -> Option<Model> {
        let name = node.children().find(|node| node.has_tag_name("model"))?.text()?.to_owned();
        let feature = |node: Node<'_, '_>| {
            let sign = if node.attribute("policy") == Some("disable") { "!" } else { "" };
            node.attribute("name").map(|name| format!("{sign}{name}"))
        };
        let features = node.children().filter(|node| node.has_tag_name("feature")).filter_map(feature);
        Some(Model { name, features: features.collect() })
    }

    /// The features that another one lacks, in words.
    fn lacking(&self, other: &Model) -> String {
        let features: Vec<&str> = self.features.difference(&other.features).map(String::as_str).collect();
        if features.is_empty() { "nothing more".to_owned() } else { features.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::inventory::Login;

    fn host(model: &str, features: &[&str], kvm: bool) -> Facts {
        let features: String =
            features.iter().map(|name| format!("<feature policy='require' name='{name}'/>")).collect();
        let kvm = if kvm { format!("kvm_status {KVM_RAN}\n") } else { String::new() };
        let said = format!(
            "{kvm}<<domain_capabilities\n<domainCapabilities><cpu><mode name='host-passthrough' supported='yes'/>\
             <mode name='host-model' supported='yes'><model fallback='forbid'>{model}</model>{features}</mode></cpu>\
             </domainCapabilities>\n>>domain_capabilities\nend yes\n"
        );
        Facts::parse(&said).unwrap()
    }

    /// Chooses between hosts that cannot be asked any more.
    fn chosen(one: &Facts, other: &Facts) -> Result<GuestCpu> {
        let nowhere = Path::new("/nowhere");
        let silent = Remote::new("source", Login::of_root("127.0.0.1", 1, nowhere, nowhere));
        GuestCpu::of([&silent, &silent], [one, other])
    }

    #[test]
    fn equal_hosts_give_what_they_have() {
        let host = host("EPYC", &["ibpb", "svm"], true);
        let same = GuestCpu::Ordinary("EPYC with the same 2 features on both".into());
        assert_eq!(chosen(&host, &host).unwrap(), same);
    }

    #[test]
    fn hosts_that_differ_are_asked_what_both_can_give() {
        let (more, less) = (host("EPYC", &["ibpb", "svm"], true), host("EPYC", &["ibpb"], true));
        assert!(chosen(&more, &less).is_err(), "nobody answers");
    }

    #[test]
    fn emulated_guests_have_the_same_cpu_on_any_hosts() {
        let (one, other) = (host("EPYC", &["svm"], true), host("Skylake-Client", &[], false));
        assert!(matches!(chosen(&one, &other).unwrap(), GuestCpu::Ordinary(_)));
    }

    #[test]
    fn a_host_that_says_nothing_decides_nothing() {
        let silent = Facts::parse("end yes\n").unwrap();
        assert_eq!(chosen(&silent, &host("EPYC", &[], true)).unwrap(), GuestCpu::Unknown);
    }

    #[test]
    fn what_one_has_alone_is_named() {
        let model = |xml: &str| Model::read(xml).unwrap();
        let one = model(
            "<cpu mode='custom'><model>EPYC</model><feature policy='require' name='svm'/><feature policy='disable' name='xsaves'/></cpu>",
        );
        let other = model("<cpu mode='custom'><model>EPYC</model></cpu>");
        assert_eq!(
            (one.lacking(&other).as_str(), other.lacking(&one).as_str()),
            ("!xsaves svm", "nothing more")
        );
        assert_eq!(Model::read("error: CPU vendors do not match"), None);
    }
}
