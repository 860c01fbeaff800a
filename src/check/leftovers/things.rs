//! The things on a host, counted by their kind.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::domain_number::without_number;
use super::files::grown;
use crate::remote::protocol::Traces;

/// The things of which there are more now than before: each with its kind, and the newest ones of that kind; and files that have
/// grown.
pub fn left(before: &Traces, now: &Traces) -> Vec<String> {
    let counts = |things: &BTreeMap<String, Vec<String>>| -> HashMap<String, usize> {
        things.iter().map(|(what, which)| (what.clone(), which.len())).collect()
    };
    let counted = counts(&things(before));
    let more = things(now).into_iter().filter_map(|(what, which)| {
        let more = which.len().saturating_sub(counted.get(&what).copied().unwrap_or(0));
        let newest: Vec<String> = which.into_iter().rev().take(more).filter(|which| *which != what).collect();
        (more > 0).then(|| if newest.is_empty() { what } else { format!("{what} ({})", newest.join(", ")) })
    });
    more.chain(grown(before, now)).collect()
}

/// All counted things, by their kind.
fn things(traces: &Traces) -> BTreeMap<String, Vec<String>> {
    let owners: HashMap<i32, &str> =
        traces.domains.iter().map(|domain| (domain.pid, domain.name.as_str())).collect();
    let mut things: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |what: String, which: String| things.entry(what).or_default().push(which);
    let logins = logins(traces);
    for process in &traces.processes {
        let pid = process.process.pid;
        match owners.get(&pid) {
            Some(domain) => add(format!("QEMU of {domain}"), format!("pid {pid}")),
            None if logins.contains(&pid) => {}
            None => add(format!("process {}", process.name), format!("pid {pid}")),
        }
    }
    for link in &traces.links {
        match owners.get(&link.pid) {
            Some(domain) => add(format!("tap of {domain}"), link.name.clone()),
            None => add(format!("link {}", link.name), format!("link {}", link.name)),
        }
    }
    for (number, daemon) in traces.daemons.iter().enumerate() {
        // Some daemons start on demand. A second one of a name is a child that its daemon has forgotten.
        if traces.daemons[..number].iter().any(|other| other.name == daemon.name) {
            add(format!("another {}", daemon.name), format!("pid {}", daemon.process.pid));
        }
    }
    for port in &traces.ports {
        let which = format!("{} port {}", port.protocol, port.number);
        match owners.get(&port.pid) {
            Some(domain) => add(format!("listening socket of {domain}'s QEMU"), which),
            None if logins.contains(&port.pid) => {}
            None => add(format!("listening socket, {which}"), format!("pid {}", port.pid)),
        }
    }
    for setting in &traces.settings {
        add(setting.clone(), setting.clone());
    }
    for file in &traces.files {
        let path = &file.path;
        let kind = if path.ends_with('/') { "folder" } else { "file" };
        add(format!("{kind} {}", without_number(path, &traces.domains)), format!("{kind} {path}"));
    }
    things
}

/// The processes of logged-in people and programs, including this run's.
fn logins(traces: &Traces) -> HashSet<i32> {
    let parents: HashMap<i32, (i32, &str)> = traces
        .processes
        .iter()
        .map(|process| (process.process.pid, (process.parent, process.name.as_str())))
        .collect();
    let logged_in = |pid: &i32| {
        let mut at = *pid;
        // A chain of parents ends at the first one that is not in the list.
        for _ in 0..parents.len() {
            let Some((parent, name)) = parents.get(&at) else { return false };
            if name.starts_with("sshd") {
                return true;
            }
            at = *parent;
        }
        false
    };
    parents.keys().copied().filter(|pid| logged_in(pid)).collect()
}
#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::check::leftovers::testing::traces;

    const BEFORE: [&str; 9] = [
        "daemon|8|9|40|4096|libvirtd",
        "process|1|5|0|init",
        "process|7|9|1|sshd",
        "process|70|100|1|qemu-system-x86",
        "domain|70|vm1",
        "link|vnet0|70|tap|br0",
        "port|tcp|22|7",
        "file|-|/var/lib/libvirt/qemu/domain-1-vm1/monitor.sock",
        "file|-|/run/libvirt/qemu/channel/1-vm1/agent",
    ];

    #[test]
    fn a_guest_that_is_home_again_has_other_numbers_and_as_much() {
        let now = [
            "process|1|5|0|init",
            "process|7|9|1|sshd",
            "process|99|400|1|qemu-system-x86",
            "domain|99|vm1",
            "daemon|8|9|40|4096|libvirtd",
            "daemon|130|600|20|4096|virtlogd",
            "link|vnet4|99|tap|br0",
            "port|tcp|22|7",
            "file|-|/var/lib/libvirt/qemu/domain-3-vm1/monitor.sock",
            "file|-|/run/libvirt/qemu/channel/3-vm1/agent",
            "process|120|500|7|sshd-session",
            "process|121|500|120|multivm-agent",
        ];
        assert_eq!(left(&traces(&BEFORE), &traces(&now)), [""; 0]);
    }

    #[rstest]
    #[case::process("process|200|500|1|sleep", "process sleep (pid 200)")]
    #[case::qemu("process|200|500|1|qemu-system-x86", "process qemu-system-x86 (pid 200)")]
    #[case::tap("link|left0|0|tap|-", "link left0")]
    #[case::other_link("link|left1|0|-|-", "link left1")]
    #[case::second_tap("link|vnet9|70|tap|br0", "tap of vm1 (vnet9)")]
    #[case::socket("port|tcp|4444|200", "listening socket, tcp port 4444 (pid 200)")]
    #[case::socket_of_udp("port|udp|67|200", "listening socket, udp port 67 (pid 200)")]
    #[case::socket_of_qemu("port|tcp|49152|70", "listening socket of vm1's QEMU (tcp port 49152)")]
    #[case::file("file|-|/run/libvirt/left", "file /run/libvirt/left")]
    #[case::folder("file|-|/run/libvirt/left/", "folder /run/libvirt/left/")]
    #[case::child_of_a_daemon("daemon|80|500|20|4096|libvirtd", "another libvirtd (pid 80)")]
    #[case::setting("setting|mount of tmpfs at /mnt/left", "mount of tmpfs at /mnt/left")]
    #[case::folder_of_a_guest_that_has_left(
        "file|-|/var/lib/libvirt/qemu/domain-2-vm1/master-key.aes",
        "file /var/lib/libvirt/qemu/domain-ID-vm1/master-key.aes (file /var/lib/libvirt/qemu/domain-2-vm1/master-key.aes)"
    )]
    fn what_there_is_more_of_is_left(#[case] line: &str, #[case] told: &str) {
        let now: Vec<&str> = BEFORE.into_iter().chain([line]).collect();
        assert_eq!(left(&traces(&BEFORE), &traces(&now)), [told]);
    }

    #[test]
    fn what_was_there_before_is_not_left() {
        let before: Vec<&str> = BEFORE.into_iter().chain(["process|200|500|1|sleep"]).collect();
        assert!(left(&traces(&before), &traces(&before)).is_empty());
        assert!(left(&traces(&before), &traces(&BEFORE)).is_empty(), "what went is not left either");
    }
}
