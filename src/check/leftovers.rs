//! Nothing is left behind: when all guests are home again, both hosts have what they had before the first move.
//!
//! The check counts things by their kind, never by drawn numbers: a guest that has come home has another process, tap and
//! folder, but one of each. It looks for the remains of hooks and helpers in the places of libvirt's own: in the control
//! groups of its daemons and of machines, among network links and sockets that listen, and in its folders. Logs and caches
//! grow by design.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{About, Advice, Asked, Check, End, Moment, Proof, Scene};
use crate::failure::{Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::host::{DaemonBaselines, Host, Storage};
use crate::remote::protocol::{DomainProcess, LibvirtDaemon, Link, Traces};
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use crate::sys::wait::{Poll, wait_for};

pub static ABOUT: About = About {
    id: "leftovers",
    summary: "nothing left behind",
    how: "both hosts at the end, when every guest is home, against before the first move: processes, network links (of a host that does \
          more than run guests: taps, and ports of the guests' bridge), sockets that listen, files of libvirt and QEMU, file \
          descriptors and memory of libvirt's daemons; of a lab's host also mounts, addresses, routes, rules of routing and of the \
          packet filter, queues of links, neighbours that a bridge was told, shared memory, forwarding, and files in /tmp, /var/tmp, /root and \
          /run; of a lab's storage server processes and files; not logs and caches. A daemon may open 16 descriptors more in a scenario, and \
          may grow by 64 descriptors and 128 MiB in all scenarios of a run",
    asked: &[Moment::End],
    advice: &[LEFT, HELD],
    goes_on: true,
    ..About::BASE
};

const LEFT: Advice = Advice::new(
    "something is left on a host",
    "the scenario's migrations made it, or a hook of libvirt did: with every migration there will be one more. Its name, and \
     libvirtd.log of that host in the evidence, say who",
);

const HELD: Advice = Advice::new(
    "a daemon of libvirt's holds more and more",
    "ls -l /proc/PID/fd on that host says what it has open; is a client connected that should not be, or does the daemon leak?",
);

/// The check.
pub struct NothingLeft;

impl Check for NothingLeft {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let fleet = scene.fleet;
        let [source, target] = look_at_both(fleet);
        Ok(Box::new(LeftoversAsked { fleet, before: [source?, target?], storage: look_at_storage(fleet)? }))
    }
}

struct LeftoversAsked<'a> {
    fleet: &'a Fleet,
    before: [Traces; 2],
    /// The storage server, where what is on it counts.
    storage: Option<Traces>,
}

/// Folders in which libvirt and QEMU keep the files of guests and what libvirt's clients define, without logs, caches and
/// the configuration that people write.
const FOLDERS: [&str; 9] = [
    "/etc/libvirt/qemu",
    "/etc/libvirt/nwfilter",
    "/etc/libvirt/secrets",
    "/etc/libvirt/storage",
    "/run/libvirt",
    "/var/lib/libvirt",
    "/run/qemu",
    "/var/lib/qemu",
    "/dev/hugepages/libvirt",
];

/// Where programs of a lab's host keep other files, beside the memory that they share: nobody else has these folders.
const FOLDERS_OF_A_LAB: [&str; 5] = ["/dev/shm", "/tmp", "/var/tmp", "/root", "/run"];

/// Beginning of the folder of our program, in which a load has its log.
const OUR_OWN: &str = "/run/multivm-";

/// How long a vanishing thing may take to vanish.
const SETTLING: Duration = Duration::from_secs(5);

/// How many more file descriptors a daemon may have after one scenario: clients come and go.
const DESCRIPTORS: u64 = 16;

/// How many more file descriptors a daemon may have than after the first scenario of the run.
const DESCRIPTORS_OF_RUN: u64 = 64;

/// How much more resident memory a daemon may have than after the first scenario of the run, in bytes. One scenario proves
/// nothing: a heap grows to its working size, and never shrinks again.
const RESIDENT_OF_RUN: u64 = 128 << 20;

/// Looks what is on a host, as far as it counts.
fn look(host: &Host, fleet: &Fleet) -> Result<Traces> {
    let is_ours = host.entry.control_group.is_some();
    let mut folders = FOLDERS.to_vec();
    if is_ours {
        folders.extend(FOLDERS_OF_A_LAB);
    }
    let mut traces = host.agent.traces(&folders, fleet.answer_limit())?;
    // A folder may lie in another one of the list.
    traces.files.sort();
    traces.files.dedup();
    traces.files.retain(|file| counts_as_file(file) && !is_of_a_definition(file, names(fleet)));
    traces.links.retain(|link| counts(link, is_ours, fleet.bridge()));
    // Like links, the settings of a machine of its own change with the containers and logins of others.
    traces.settings.retain(|_| is_ours);
    Ok(traces)
}

fn names(fleet: &Fleet) -> impl Iterator<Item = &str> {
    fleet.guests.iter().chain(&fleet.load_guests).map(|guest| guest.name.as_str())
}

/// Looks what is on a lab's storage server, beside what loads have there; nothing where others have files and processes
/// there.
fn look_at_storage(fleet: &Fleet) -> Result<Option<Traces>> {
    let Storage { entry, agent, .. } = &fleet.storage;
    if fleet.hosts.source.entry.control_group.is_none() {
        return Ok(None);
    }
    let folders = [&FOLDERS_OF_A_LAB[..], &[entry.export.as_str()]].concat();
    let Traces { processes, mut files, .. } = agent.traces(&folders, fleet.answer_limit())?;
    files.sort();
    files.dedup();
    // Images of load guests stay for the next scenario with such guests.
    let images = fleet.load_guests.iter().map(|guest| format!("{}/{}", entry.export, guest.image));
    let ours: Vec<String> = images.chain([format!("{}/loads-", entry.export)]).collect();
    files.retain(|file| counts_as_file(file) && !ours.iter().any(|begin| file.starts_with(begin)));
    Ok(Some(Traces { processes, files, ..Traces::default() }))
}

/// Ends of the folders that libvirt's daemons make for themselves, when something is first to lie there.
const MADE_ON_DEMAND: [&str; 5] = ["/autostart/", "/networks/", "/snapshot/", "/checkpoint/", "/save/"];

/// Whether a file or folder counts. Folders do where libvirt and QEMU have theirs; elsewhere a login or a program may make
/// some.
fn counts_as_file(path: &str) -> bool {
    !path.starts_with(OUR_OWN)
        && !MADE_ON_DEMAND.iter().any(|end| path.ends_with(end))
        && (!path.ends_with('/') || FOLDERS.iter().any(|folder| path.starts_with(&format!("{folder}/"))))
}

/// Whether a link counts. A host with a control group of its own is a lab's: nobody else makes links there, and whatever is new
/// was left, of any kind. On a machine of its own, containers and networks of others come and go; there only those count that a guest
/// can have been behind: taps and macvtaps, and all ports of the guests' bridge.
fn counts(link: &Link, is_ours: bool, bridge: &str) -> bool {
    is_ours || link.is_tap || link.bridge.as_deref() == Some(bridge)
}

/// Forgets the UDP sockets that an earlier look did not see: a resolver opens one for each question, and what is left stays.
fn forget_fleeting(now: &mut Traces, earlier: &Traces) {
    now.ports.retain(|port| !port.protocol.starts_with("udp") || earlier.ports.contains(port));
}

fn look_at_both(fleet: &Fleet) -> [Result<Traces>; 2] {
    let looks = at_once("look what is on a host", fleet.hosts.both(), |host| look(host, fleet));
    let mut looks = looks.into_iter();
    let mut next =
        || looks.next().unwrap_or_else(|| Err(Failure::new("look what is on a host", "no result")));
    [next(), next()]
}

impl Asked for LeftoversAsked<'_> {
    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let Fleet { hosts, guests, .. } = self.fleet;
        // The things of a guest away from home are away with it, and multivm makes that guest anew before the next
        // scenario.
        let is_home =
            |guest: &Arc<Guest>| guest.side() == Side::Source && end.answering.contains_key(&guest.name);
        if end.interrupted || !guests.iter().all(is_home) {
            return Vec::new();
        }
        let proofs = at_once(
            "look what is left on a host",
            hosts.both().into_iter().zip(&self.before),
            |(host, before)| Ok(prove(host, before, self.fleet)),
        );
        let of_storage = self.storage.as_ref().map(|before| prove_storage(before, self.fleet));
        proofs.into_iter().flatten().flatten().chain(of_storage).collect()
    }
}

/// Looks at the storage server until nothing is left, or until [`SETTLING`] is over.
fn prove_storage(before: &Traces, fleet: &Fleet) -> Proof {
    let name = &fleet.storage.entry.name;
    let now = settled(name, before, fleet, |_| Ok(look_at_storage(fleet)?.unwrap_or_default()));
    now.map_or_else(|failure| unknown(name, &failure), |now| of_things(name, &left(before, &now)))
}

/// Looks at a host until nothing is left, or until [`SETTLING`] is over.
fn prove(host: &Host, before: &Traces, fleet: &Fleet) -> Vec<Proof> {
    let name = &host.entry.name;
    let now = settled(name, before, fleet, |earlier| {
        let mut now = look(host, fleet)?;
        if let Some(earlier) = earlier {
            forget_fleeting(&mut now, earlier);
        }
        Ok(now)
    });
    match now {
        Ok(now) => {
            vec![of_things(name, &left(before, &now)), of_daemons(name, before, &now, &host.daemons)]
        }
        Err(failure) => vec![unknown(name, &failure)],
    }
}

/// What a machine has when nothing is left any more, or when [`SETTLING`] is over. Each look gets the one before.
fn settled(
    name: &str,
    before: &Traces,
    fleet: &Fleet,
    look: impl Fn(Option<&Traces>) -> Result<Traces>,
) -> Result<Traces> {
    let mut last = Err(Failure::new(format!("look what is left on {name}"), "no answer"));
    let _ = wait_for(&format!("{name} to be as before"), SETTLING, fleet.stop_flag(), || {
        last = look(last.as_ref().ok());
        match &last {
            Ok(now) if left(before, now).is_empty() => Poll::Ready(()),
            Ok(_) => Poll::again("something is left"),
            Err(failure) => Poll::again(failure.to_string()),
        }
    });
    last
}

/// Without knowledge there is no proof.
fn unknown(name: &str, failure: &Failure) -> Proof {
    Proof::new(&ABOUT, false, expected(name), format!("not known: {failure}"))
}

fn expected(host: &str) -> String {
    format!("nothing more on {host} than before the first move")
}

/// The most things that a finding names one by one.
const TOLD: usize = 10;

fn of_things(host: &str, left: &[String]) -> Proof {
    if left.is_empty() {
        return Proof::new(&ABOUT, true, expected(host), "nothing");
    }
    let mut told: Vec<String> = left.iter().take(TOLD).cloned().collect();
    if left.len() > TOLD {
        told.push(format!("{} more", left.len() - TOLD));
    }
    Proof::new(&ABOUT, false, expected(host), format!("on {host}: {}", told.join("; "))).advise(&LEFT)
}

/// The things of which there are more now than before: each with its kind, and the newest ones of that kind.
fn left(before: &Traces, now: &Traces) -> Vec<String> {
    let counts = |things: &BTreeMap<String, Vec<String>>| -> HashMap<String, usize> {
        things.iter().map(|(what, which)| (what.clone(), which.len())).collect()
    };
    let before = counts(&things(before));
    let grown = things(now).into_iter().filter_map(|(what, which)| {
        let more = which.len().saturating_sub(before.get(&what).copied().unwrap_or(0));
        let newest: Vec<String> = which.into_iter().rev().take(more).filter(|which| *which != what).collect();
        (more > 0).then(|| if newest.is_empty() { what } else { format!("{what} ({})", newest.join(", ")) })
    });
    grown.collect()
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
        let kind = if file.ends_with('/') { "folder" } else { "file" };
        add(format!("{kind} {}", without_number(file, &traces.domains)), format!("{kind} {file}"));
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

/// Whether a file belongs to the definition of one of these guests, which a migration brings along: the check
/// `definition` looks at that.
fn is_of_a_definition<'a>(file: &str, mut guests: impl Iterator<Item = &'a str>) -> bool {
    guests.any(|guest| {
        let after = |folder: &str| file.strip_prefix(folder)?.strip_prefix(guest);
        after("/etc/libvirt/qemu/") == Some(".xml")
            || after("/etc/libvirt/qemu/autostart/") == Some(".xml")
            || after("/var/lib/libvirt/qemu/nvram/").is_some_and(|rest| rest.starts_with(['_', '.']))
    })
}

/// A path without the number of a domain on this host: `/run/libvirt/qemu/channel/7-vm1/agent` becomes
/// `/run/libvirt/qemu/channel/ID-vm1/agent`.
fn without_number(file: &str, domains: &[DomainProcess]) -> String {
    let part = |part: &str| {
        let (before, rest) = part.strip_prefix("domain-").map_or(("", part), |rest| ("domain-", rest));
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let of_domain = rest[digits..].strip_prefix('-').is_some_and(|name| {
            before == "domain-" || domains.iter().any(|domain| name.starts_with(&domain.name))
        });
        if digits > 0 && of_domain { format!("{before}ID{}", &rest[digits..]) } else { part.to_owned() }
    };
    file.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn of_daemons(host: &str, before: &Traces, now: &Traces, first: &DaemonBaselines) -> Proof {
    let expected = format!(
        "libvirt's daemons on {host} have at most {DESCRIPTORS} file descriptors more than before, and {DESCRIPTORS_OF_RUN} more and \
         {} MiB more memory than after the run's first scenario",
        RESIDENT_OF_RUN >> 20
    );
    let mut seen = Vec::new();
    let mut ok = true;
    for daemon in &now.daemons {
        let LibvirtDaemon { process, descriptors, resident_bytes, name } = daemon;
        let same =
            |daemons: &[LibvirtDaemon]| daemons.iter().find(|daemon| daemon.process == *process).cloned();
        // Some daemons start on demand, and one that started since has no earlier state.
        let was = same(&before.daemons).unwrap_or_else(|| daemon.clone());
        let first = first.first(daemon);
        ok &= *descriptors <= was.descriptors + DESCRIPTORS
            && *descriptors <= first.descriptors + DESCRIPTORS_OF_RUN
            && *resident_bytes <= first.resident_bytes + RESIDENT_OF_RUN;
        seen.push(format!(
            "{name} (pid {}): {descriptors} file descriptors, {} before, {} then; {} MiB, {} then",
            process.pid,
            was.descriptors,
            first.descriptors,
            resident_bytes >> 20,
            first.resident_bytes >> 20
        ));
    }
    Proof::new(&ABOUT, ok, expected, format!("on {host}: {}", seen.join("; "))).advise(&HELD)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn traces(lines: &[&str]) -> Traces {
        lines.iter().map(|line| format!("{}\n", line.replace('|', "\t"))).collect::<String>().parse().unwrap()
    }

    const BEFORE: [&str; 9] = [
        "daemon|8|9|40|4096|libvirtd",
        "process|1|5|0|init",
        "process|7|9|1|sshd",
        "process|70|100|1|qemu-system-x86",
        "domain|70|vm1",
        "link|vnet0|70|tap|br0",
        "port|tcp|22|7",
        "file|/var/lib/libvirt/qemu/domain-1-vm1/monitor.sock",
        "file|/run/libvirt/qemu/channel/1-vm1/agent",
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
            "file|/var/lib/libvirt/qemu/domain-3-vm1/monitor.sock",
            "file|/run/libvirt/qemu/channel/3-vm1/agent",
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
    #[case::file("file|/run/libvirt/left", "file /run/libvirt/left")]
    #[case::folder("file|/run/libvirt/left/", "folder /run/libvirt/left/")]
    #[case::child_of_a_daemon("daemon|80|500|20|4096|libvirtd", "another libvirtd (pid 80)")]
    #[case::setting("setting|mount of tmpfs at /mnt/left", "mount of tmpfs at /mnt/left")]
    #[case::folder_of_a_guest_that_has_left(
        "file|/var/lib/libvirt/qemu/domain-2-vm1/master-key.aes",
        "file /var/lib/libvirt/qemu/domain-ID-vm1/master-key.aes (file /var/lib/libvirt/qemu/domain-2-vm1/master-key.aes)"
    )]
    fn what_there_is_more_of_is_left(#[case] line: &str, #[case] told: &str) {
        let now: Vec<&str> = BEFORE.into_iter().chain([line]).collect();
        assert_eq!(left(&traces(&BEFORE), &traces(&now)), [told]);
    }

    #[rstest]
    #[case::tap("link|vnet9|0|tap|-", true, true)]
    #[case::port_of_the_guests_bridge("link|veth1|0|-|br0", true, true)]
    #[case::port_of_another_bridge("link|veth1|0|-|docker0", true, false)]
    #[case::no_port("link|dummy0|0|-|-", true, false)]
    fn of_a_host_that_others_use_only_links_of_guests_count(
        #[case] line: &str,
        #[case] in_a_lab: bool,
        #[case] elsewhere: bool,
    ) {
        let seen = traces(&[line]);
        let counted = [true, false].map(|is_ours| counts(&seen.links[0], is_ours, "br0"));
        assert_eq!(counted, [in_a_lab, elsewhere]);
    }

    #[test]
    fn a_udp_socket_that_stays_is_left_and_one_that_comes_and_goes_is_not() {
        let earlier = traces(&["port|udp|67|200", "port|udp|1024|201"]);
        let mut now = traces(&["port|udp|67|200", "port|udp|1025|201", "port|tcp|4444|202"]);
        forget_fleeting(&mut now, &earlier);
        assert_eq!(now, traces(&["port|udp|67|200", "port|tcp|4444|202"]));
    }

    #[rstest]
    #[case("/run/libvirt/qemu/left/", true)]
    #[case("/etc/libvirt/qemu/autostart/", false)]
    #[case("/etc/libvirt/qemu/autostart/left.xml", true)]
    #[case("/etc/libvirt/qemu/networks/", false)]
    #[case("/etc/libvirt/storage/left.xml", true)]
    #[case("/run/user/", false)]
    #[case("/run/left", true)]
    #[case("/run/multivm-0123/load.log", false)]
    fn folders_count_where_libvirt_has_its_own(#[case] path: &str, #[case] counted: bool) {
        assert_eq!(counts_as_file(path), counted);
    }

    #[rstest]
    #[case("/etc/libvirt/qemu/vm1.xml", true)]
    #[case("/etc/libvirt/qemu/autostart/vm1.xml", true)]
    #[case("/var/lib/libvirt/qemu/nvram/vm1_VARS.fd", true)]
    #[case("/etc/libvirt/qemu/vm10.xml", false)]
    #[case("/etc/libvirt/qemu/neighbour.xml", false)]
    #[case("/etc/libvirt/qemu/networks/vm1.xml", false)]
    #[case("/var/lib/libvirt/qemu/nvram/neighbour_VARS.fd", false)]
    fn definitions_of_others_are_no_guests(#[case] path: &str, #[case] is_guests: bool) {
        assert_eq!(is_of_a_definition(path, ["vm1", "load1"].into_iter()), is_guests);
    }

    #[test]
    fn what_was_there_before_is_not_left() {
        let before: Vec<&str> = BEFORE.into_iter().chain(["process|200|500|1|sleep"]).collect();
        assert!(left(&traces(&before), &traces(&before)).is_empty());
        assert!(left(&traces(&before), &traces(&BEFORE)).is_empty(), "what went is not left either");
    }

    fn daemon(descriptors: u64, mib: u64) -> Traces {
        traces(&[&format!("daemon|12|345|{descriptors}|{}|libvirtd", mib << 20)])
    }

    fn as_first(traces: &Traces) -> DaemonBaselines {
        let first = DaemonBaselines::default();
        traces.daemons.iter().for_each(|daemon| drop(first.first(daemon)));
        first
    }

    #[rstest]
    #[case::as_before(40, 50, true)]
    #[case::some_clients(56, 50, true)]
    #[case::many_in_one_scenario(57, 50, false)]
    #[case::working_size(40, 178, true)]
    #[case::beyond_it(40, 179, false)]
    fn a_daemon_may_grow_so_much(#[case] descriptors: u64, #[case] mib: u64, #[case] ok: bool) {
        let first = as_first(&daemon(40, 50));
        let proof = of_daemons("source", &daemon(40, 50), &daemon(descriptors, mib), &first);
        assert_eq!(proof.ok, ok, "{proof:?}");
    }

    #[test]
    fn what_leaks_a_little_in_each_scenario_is_found_in_all_of_them() {
        let first = as_first(&daemon(40, 50));
        assert!(!of_daemons("source", &daemon(100, 50), &daemon(105, 50), &first).ok);
    }

    #[test]
    fn a_daemon_that_was_started_anew_is_compared_with_itself() {
        let first = as_first(&daemon(40, 50));
        let anew = traces(&["daemon|99|800|300|4096|libvirtd"]);
        assert!(of_daemons("source", &daemon(40, 50), &anew, &first).ok);
    }
}
