//! The CPUs that guests get: what one host has and the other has not.

use std::collections::BTreeSet;

use roxmltree::Document;

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

const NAME: &str = "CPUs";

/// What a guest's CPU of the host's own model is.
#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    /// Features beside those of the model; one that is disabled has a `!`.
    features: BTreeSet<String>,
}

pub fn examine([source, target]: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let finding = match (model(source), model(target)) {
        (Some(one), Some(other)) if one == other => Diagnosis::good(
            NAME,
            format!("{} with the same {} features on both", one.name, one.features.len()),
        ),
        (Some(one), Some(other)) => {
            let lacks = |one: &Model, other: &Model| {
                let features: Vec<&str> =
                    one.features.difference(&other.features).map(String::as_str).collect();
                if features.is_empty() { "nothing more".to_owned() } else { features.join(" ") }
            };
            Diagnosis::warn(
                NAME,
                format!(
                    "source: {}, with {}; target: {}, with {}",
                    one.name,
                    lacks(&one, &other),
                    other.name,
                    lacks(&other, &one)
                ),
                "guests need a CPU that both can give: `virsh hypervisor-cpu-baseline --migratable` computes it",
            )
        }
        _ => Diagnosis::warn(
            NAME,
            "not known: libvirt of a host did not say",
            "see what is said of its libvirt",
        ),
    };
    vec![finding]
}

fn model(host: &AskedHost<'_>) -> Option<Model> {
    let find = |document: &Document<'_>| {
        let mode = document
            .descendants()
            .find(|node| node.has_tag_name("mode") && node.attribute("name") == Some("host-model"))?;
        let name = mode.children().find(|node| node.has_tag_name("model"))?.text()?.to_owned();
        let feature = |node: roxmltree::Node<'_, '_>| {
            let sign = if node.attribute("policy") == Some("disable") { "!" } else { "" };
            node.attribute("name").map(|name| format!("{sign}{name}"))
        };
        let features = mode.children().filter(|node| node.has_tag_name("feature")).filter_map(feature);
        Some(Model { name, features: features.collect() })
    };
    host.facts.xml("domain_capabilities", find)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    fn said(model: &str, features: &[&str]) -> String {
        let features: String =
            features.iter().map(|name| format!("<feature policy='require' name='{name}'/>")).collect();
        format!(
            "<<domain_capabilities\n<domainCapabilities><cpu><mode name='host-passthrough' supported='yes'/>\
             <mode name='host-model' supported='yes'><model fallback='forbid'>{model}</model>{features}</mode></cpu>\
             </domainCapabilities>\n>>domain_capabilities"
        )
    }

    #[test]
    fn what_one_host_has_alone_is_named() {
        let pair = ordinary();
        let of = |one: &str, other: &str| examine(&hosts(&pair, one, other), &pair).remove(0);
        let (good, less) = (said("EPYC", &["ibpb", "svm"]), said("EPYC", &["ibpb"]));
        assert_eq!(of(&good, &good).verdict, Grade::Good);
        let found = of(&good, &less);
        assert_eq!(found.verdict, Grade::Warn);
        assert_eq!(found.seen, "source: EPYC, with svm; target: EPYC, with nothing more");
    }
}
