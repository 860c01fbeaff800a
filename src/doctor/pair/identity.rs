//! Whether the hosts are two, for libvirt as well, and neither is this machine.

use roxmltree::Document;

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

pub fn examine([source, target]: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let mut findings = vec![uuid(source, target)];
    let same = |name: &str| source.facts.one(name).filter(|id| target.facts.one(name) == Some(id));
    if let Some(id) = same("machine_id") {
        findings.push(Diagnosis::warn(
            "machine ids",
            format!("both hosts have {id}: is it one host, or was one cloned?"),
            "wanted: one of its own for each; rm /etc/machine-id; systemd-machine-id-setup",
        ));
    }
    if let Some(name) = same("hostname") {
        findings.push(Diagnosis::warn(
            "host names",
            format!("both hosts are called {name}"),
            "wanted: names that tell them apart in logs; hostnamectl hostname NAME",
        ));
    }
    let here = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    for host in [source, target] {
        findings.extend(controller(host, here.trim()));
        if host.facts.one("hostname").is_some_and(|name| name.starts_with("localhost")) {
            findings.push(host.warn(
                "name",
                "localhost: libvirt refuses to announce it to the other host",
                "hostnamectl hostname NAME; multivm gives addresses and needs no name",
            ));
        }
    }
    findings
}

/// A host that is the machine with the id `here`, which multivm runs on.
fn controller(host: &AskedHost<'_>, here: &str) -> Option<Diagnosis> {
    host.facts.one("machine_id").filter(|id| *id == here).map(|_| {
        host.warn(
            "controller",
            "the host is this machine: multivm's own work takes CPU from its guests",
            "a third machine as the controller measures more",
        )
    })
}

/// libvirt takes hosts with one UUID for the same host: "Attempt to migrate guest to the same host" (qemu_migration_cookie.c).
fn uuid(source: &AskedHost<'_>, target: &AskedHost<'_>) -> Diagnosis {
    let name = "host UUIDs";
    match (host_uuid(source), host_uuid(target)) {
        (Some(one), Some(other)) if one == other => Diagnosis::missing(
            name,
            format!("libvirt of both hosts says {one}: it will not migrate from a host to itself"),
            "wanted: one of its own for each; `host_uuid_source = \"machine-id\"` in libvirtd.conf or virtqemud.conf of one host, and a \
             restart of that daemon",
        ),
        (Some(one), Some(other)) => Diagnosis::good(name, format!("{one} and {other}")),
        _ => Diagnosis::warn(
            name,
            "not known: libvirt of a host did not say",
            "see what is said of its libvirt",
        ),
    }
}

fn host_uuid(host: &AskedHost<'_>) -> Option<String> {
    let find = |document: &Document<'_>| {
        let host = document.root_element().children().find(|node| node.has_tag_name("host"))?;
        host.children().find(|node| node.has_tag_name("uuid"))?.text().map(str::to_owned)
    };
    host.facts.xml("capabilities", find)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    fn said(uuid: &str, id: &str) -> String {
        format!(
            "machine_id {id}\nhostname h{id}\n<<capabilities\n<capabilities><host><uuid>{uuid}</uuid></host></capabilities>\n>>capabilities"
        )
    }

    #[test]
    fn one_uuid_is_one_host_for_libvirt() {
        let pair = ordinary();
        let found = examine(&hosts(&pair, &said("u1", "1"), &said("u1", "2")), &pair);
        assert_eq!((found.len(), found[0].verdict), (1, Grade::Missing));
        let found = examine(&hosts(&pair, &said("u1", "1"), &said("u2", "2")), &pair);
        assert_eq!((found.len(), found[0].verdict), (1, Grade::Good));
    }

    #[test]
    fn a_host_that_is_the_controller_is_told() {
        let pair = ordinary();
        let [source, target] = hosts(&pair, "machine_id 1", "");
        assert_eq!(controller(&source, "1").unwrap().name, "source: controller");
        assert!(controller(&source, "2").is_none() && controller(&target, "").is_none());
    }

    #[test]
    fn a_cloned_host_is_told() {
        let pair = ordinary();
        let names: Vec<String> = examine(&hosts(&pair, &said("u1", "1"), &said("u2", "1")), &pair)
            .into_iter()
            .map(|found| found.name)
            .collect();
        assert_eq!(names, ["host UUIDs", "machine ids", "host names"]);
    }
}
