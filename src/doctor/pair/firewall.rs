//! Whether migrations reach each host, and frames of the overlay: some ports of theirs, tried from the other one.

use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::asked_host::{AskedHost, Mend};
use super::{Diagnosis, Pair};
use crate::failure::Result;
use crate::inventory::file::Consent;
use crate::remote::{Remote, quote};
use crate::stand::pair::VXLAN_PORT;
use crate::sys::parallel::at_once;

/// How long an answer may take before the port counts as one that drops everything.
const CONNECT: Duration = Duration::from_secs(3);

/// How long the command with it may take.
const LIMIT: Duration = Duration::from_secs(60);

pub fn examine([source, target]: &[AskedHost<'_>; 2], pair: &Pair) -> Vec<Diagnosis> {
    let mut ways = Vec::new();
    for (from, to) in [(target, source), (source, target)] {
        ways.push((Some(from), to, Ports::of_migrations(from, to)));
        if let Some(here) = to.here {
            ways.push((Some(from), to, Ports::of_the_overlay(from, to)));
            ways.push((None, to, Ports::for_this_machine(here, to)));
        }
    }
    let tried = at_once("try ports", ways.iter(), |(from, _, ports)| {
        Ok(match from {
            Some(from) => ports.worst(|port| try_port(&from.remote, ports, port)),
            None => ports.worst(|port| Ok(try_from_here(ports, port))),
        })
    });
    ways.iter().zip(tried).map(|((_, to, ports), tried)| told(to, ports, tried, pair)).collect()
}

/// Ports of a host that somebody must reach.
struct Ports {
    what: &'static str,
    protocol: &'static str,
    /// The host's address as the trying machine knows it, and that machine's name.
    address: String,
    by: &'static str,
    /// The trying machine's address.
    from: String,
    first: u64,
    last: u64,
}

impl Ports {
    fn of_migrations(from: &AskedHost<'_>, to: &AskedHost<'_>) -> Ports {
        let [first, last] = to.facts.migration_ports();
        Ports {
            what: "migration ports",
            protocol: "tcp",
            address: to.machine.migration_address.clone(),
            by: "the other host",
            from: from.machine.migration_address.clone(),
            first,
            last,
        }
    }

    fn of_the_overlay(from: &AskedHost<'_>, to: &AskedHost<'_>) -> Ports {
        let port = u64::from(VXLAN_PORT);
        let ports = Ports::of_migrations(from, to);
        Ports { what: "overlay", protocol: "udp", first: port, last: port, ..ports }
    }

    fn for_this_machine(here: Ipv4Addr, to: &AskedHost<'_>) -> Ports {
        let ports = Ports::of_the_overlay(to, to);
        Ports { address: to.machine.address.clone(), by: "this machine", from: here.to_string(), ..ports }
    }
}

/// What came of a port, or of several of which none is worse.
struct TriedPorts {
    ports: Vec<u64>,
    answer: Result<PortState>,
}

impl Ports {
    /// The first one, one in the middle, and the last one: a rule of a firewall may be for some of them.
    fn some(&self) -> Vec<u64> {
        let mut some = vec![self.first, self.first.midpoint(self.last), self.last];
        some.dedup();
        some
    }

    /// Tries some ports, one after another, until something is in the way of one.
    fn worst(&self, attempt: impl Fn(u64) -> Result<PortState>) -> TriedPorts {
        let mut worst = TriedPorts { ports: Vec::new(), answer: Ok(PortState::Closed) };
        for port in self.some() {
            match (attempt(port), &worst.answer) {
                (Ok(PortState::Closed), Ok(PortState::Closed)) => worst.ports.push(port),
                (Ok(PortState::Closed), _) => {}
                (Ok(PortState::Open), Ok(PortState::Open)) => worst.ports.push(port),
                (Ok(PortState::Open), _) => {
                    worst = TriedPorts { ports: vec![port], answer: Ok(PortState::Open) }
                }
                (answer, _) => return TriedPorts { ports: vec![port], answer },
            }
        }
        worst
    }
}

/// The port, or the first and the last one.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last == self.first { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

/// The answer to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PortState {
    /// Somebody listens there.
    Open,
    /// Nobody listens, and nothing is in the way.
    Closed,
    /// Something is in the way, in the words of whoever tried.
    Blocked(String),
    Silent,
    /// The address cannot be found.
    Unresolved(String),
    /// Nobody tried the port.
    Unknown(String),
}

/// Tries a port by the only program that most hosts have for it, which is bash.
fn try_port(from: &Remote, Ports { protocol, address, .. }: &Ports, port: u64) -> Result<PortState> {
    let connect = format!("exec 3<>/dev/{protocol}/{}/{port}", quote(address));
    // Whoever sends by UDP hears of the first packet when he sends another one.
    let send = if *protocol == "udp" { "; echo >&3; sleep 1; echo >&3 && sleep 9" } else { "" };
    let command = format!("LC_ALL=C timeout {} bash -c {}", CONNECT.as_secs(), quote(&(connect + send)));
    let output = from.run(&command, LIMIT)?;
    Ok(answer(output.status, &output.stderr))
}

/// Tries a UDP port from this machine.
fn try_from_here(Ports { address, .. }: &Ports, port: u64) -> PortState {
    let asked = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(CONNECT))?;
        socket.connect(format!("{address}:{port}"))?;
        socket.send(b"\n")?;
        socket.recv(&mut [0; 64])
    };
    match asked() {
        Ok(_) => PortState::Open,
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => PortState::Silent,
            ErrorKind::ConnectionRefused => PortState::Closed,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::PermissionDenied => {
                PortState::Blocked(error.to_string())
            }
            _ => PortState::Unknown(error.to_string()),
        },
    }
}

/// What bash's attempt showed. Only its words tell: bash ends with 1 whatever the kernel or the resolver answered. They are
/// those of strerror(3) and gai_strerror(3), which `LC_ALL=C` fixes. Our program would say a number, but the doctor copies
/// no program to a host that may be no run's.
fn answer(status: i32, said: &str) -> PortState {
    // bash: connect: Connection refused; bash: line 1: echo: write error: Connection refused
    let reason = said
        .lines()
        .find_map(|line| line.split_once("connect: ").or_else(|| line.split_once("write error: ")))
        .map(|(_, reason)| reason.to_owned());
    let unresolved = ["not known", "No address", "resolution", "Invalid argument"];
    let unresolved = said.lines().next().filter(|line| unresolved.iter().any(|words| line.contains(words)));
    match (status, reason) {
        (0, _) => PortState::Open,
        (124, _) => PortState::Silent,
        (_, Some(reason)) if reason.contains("refused") => PortState::Closed,
        (_, Some(reason)) => PortState::Blocked(reason),
        (_, None) if unresolved.is_some() => PortState::Unresolved(unresolved.unwrap_or_default().to_owned()),
        (_, None) => PortState::Unknown(said.lines().last().unwrap_or("it said nothing").to_owned()),
    }
}

fn told(to: &AskedHost<'_>, ports: &Ports, tried: Result<TriedPorts>, pair: &Pair) -> Diagnosis {
    let Ports { what, protocol, address, by, .. } = ports;
    let is_udp = *protocol == "udp";
    let (numbers, answer) = match tried {
        Ok(TriedPorts { ports, answer }) => (ports, answer),
        Err(failure) => (ports.some(), Err(failure)),
    };
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let numbers = numbers.join(", ");
    let seen = |answer: &str| format!("{address}:{numbers}/{protocol}, tried from {by}: {answer}");
    let blocked = |answer: &str| {
        let mend = Mend {
            wanted: &format!("{ports}/{protocol} open for {by}"),
            command: command(to, ports),
            consent: Consent::Firewall,
        };
        to.mendable(what, seen(answer), mend, pair)
    };
    match answer {
        Ok(PortState::Closed) => to.good(what, seen("nobody listens, as it must be; a firewall that rejects by a reset looks the same")),
        Ok(PortState::Unresolved(words)) => to.missing(
            what,
            seen(&words),
            "wanted: an address that the other host can reach; `migration_address` takes one, which needs no resolver",
        ),
        Ok(PortState::Open) if is_udp => to.warn(
            what,
            seen("somebody answers there"),
            "wanted: nobody but the kernel's VXLAN; ss -lunp there says whose the port is",
        ),
        Ok(PortState::Open) => to.warn(
            what,
            seen("somebody listens there"),
            "libvirt leaves out a port that is in use: ss -ltnp there says whose it is",
        ),
        Ok(PortState::Blocked(words)) => blocked(&format!("{words}: a firewall rejects it, or the address is wrong")),
        Ok(PortState::Silent) if is_udp && !pair.allow.contains(&Consent::Firewall) => to.warn(
            what,
            seen("no answer: a firewall drops it, or another VXLAN link of the host has the port"),
            format!("a run fails if it is a firewall; {}; or multivm does it, if `allow` has `firewall`", command(to, ports)),
        ),
        Ok(PortState::Silent) => blocked("no answer: a firewall drops it, or the address is wrong"),
        Ok(PortState::Unknown(words)) => to.warn(what, seen(&words), "is bash on the other host?"),
        Err(failure) => to.warn(what, seen(&failure.to_string()), "the other host could not be asked"),
    }
}

/// The command that opens the ports until the host's next boot, for whoever must reach them alone.
fn command(to: &AskedHost<'_>, ports: &Ports) -> String {
    let Ports { protocol, from: peer, first, last, .. } = ports;
    let facts = &to.facts;
    let (family, saddr) = if peer.contains(':') { ("ipv6", "ip6 saddr") } else { ("ipv4", "ip saddr") };
    if facts.one("firewalld") == Some("running") {
        return format!(
            "firewall-cmd --add-rich-rule 'rule family={family} source address={peer} port port={ports} protocol={protocol} accept'"
        );
    }
    if facts.one("ufw").is_some_and(|state| state.ends_with(" active")) {
        return format!(
            "ufw allow proto {protocol} from {peer} to any port {first}:{last} (and `ufw delete` of the same afterwards)"
        );
    }
    if facts.has("nft") {
        return format!(
            "nft list ruleset, and a rule in front: {saddr} {peer} {protocol} dport {ports} accept"
        );
    }
    format!(
        "iptables -I INPUT -p {protocol} -s {peer} --dport {first}:{last} -j ACCEPT; or is the firewall another machine?"
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary, pair};

    #[rstest]
    #[case::closed(
        1,
        "bash: line 1: connect: Connection refused\nbash: line 1: /dev/tcp/a/1: Connection refused",
        PortState::Closed
    )]
    #[case::rejected(1, "bash: connect: No route to host\nbash: ...", PortState::Blocked("No route to host".into()))]
    #[case::refused_by_udp(1, "bash: line 1: echo: write error: Connection refused", PortState::Closed)]
    #[case::rejected_by_udp(1, "bash: line 1: echo: write error: No route to host", PortState::Blocked("No route to host".into()))]
    #[case::dropped(124, "", PortState::Silent)]
    #[case::in_use(0, "", PortState::Open)]
    #[case::no_such_name(1, "bash: kvm2: Name or service not known\nbash: line 1: /dev/tcp/kvm2/1: Invalid argument", PortState::Unresolved("bash: kvm2: Name or service not known".into()))]
    #[case::no_bash(127, "timeout: failed to run command 'bash'", PortState::Unknown("timeout: failed to run command 'bash'".into()))]
    fn an_answer_is_known_by_its_words(#[case] status: i32, #[case] said: &str, #[case] expected: PortState) {
        assert_eq!(answer(status, said), expected);
    }

    #[rstest]
    #[case::firewalld(
        "firewalld running",
        "firewall-cmd --add-rich-rule 'rule family=ipv4 source address=b "
    )]
    #[case::ufw("ufw Status: active", "ufw allow proto tcp from b ")]
    #[case::ufw_off("ufw Status: inactive\nhas nft", "nft list ruleset")]
    #[case::other("", "iptables -I INPUT ")]
    fn the_command_is_the_hosts_firewalls(#[case] said: &str, #[case] expected: &str) {
        let pair = ordinary();
        let [source, target] = hosts(&pair, said, "");
        let ports = Ports::of_migrations(&target, &source);
        let tried = ports.worst(|_| Ok(PortState::Blocked("No route to host".into())));
        let found = told(&source, &ports, Ok(tried), &pair);
        assert_eq!(found.verdict, Grade::Missing);
        assert!(found.advice.as_ref().unwrap().contains(expected), "{found:?}");
    }

    #[test]
    fn ports_are_those_of_qemu_conf() {
        let pair = pair("mount = '/srv'", "nat = true", "'firewall'");
        let [source, target] = hosts(&pair, "migration_port_min 50000\nmigration_port_max 50010", "");
        let ports = Ports::of_migrations(&target, &source);
        let found = told(&source, &ports, Ok(ports.worst(|_| Ok(PortState::Silent))), &pair);
        assert_eq!(found.verdict, Grade::Warn, "multivm may open them");
        assert!(found.seen.contains("a:50000/") && found.advice.unwrap().contains("50000-50010/tcp"));
    }

    #[rstest]
    #[case::all_are_closed(&[], &[], "a:50000, 50005, 50010/tcp", Grade::Good)]
    #[case::the_last_is_not(&[50010], &[], "a:50010/tcp", Grade::Missing)]
    #[case::one_in_the_middle_is_not(&[50005, 50010], &[50000], "a:50005/tcp", Grade::Missing)]
    #[case::one_is_in_use(&[], &[50005], "a:50005/tcp", Grade::Warn)]
    #[case::two_are_in_use(&[], &[50000, 50010], "a:50000, 50010/tcp", Grade::Warn)]
    fn some_ports_stand_for_all(
        #[case] silent: &[u64],
        #[case] open: &[u64],
        #[case] seen: &str,
        #[case] expected: Grade,
    ) {
        let pair = pair("mount = '/srv'", "nat = true", "");
        let [source, target] = hosts(&pair, "migration_port_min 50000\nmigration_port_max 50010", "");
        let ports = Ports::of_migrations(&target, &source);
        let tried = ports.worst(|port| {
            Ok(match port {
                _ if silent.contains(&port) => PortState::Silent,
                _ if open.contains(&port) => PortState::Open,
                _ => PortState::Closed,
            })
        });
        let found = told(&source, &ports, Ok(tried), &pair);
        assert_eq!((found.seen.starts_with(seen), found.verdict), (true, expected), "{found:?}");
        let one = Ports::of_the_overlay(&target, &source).worst(|_| Ok(PortState::Closed));
        assert_eq!(one.ports, [u64::from(VXLAN_PORT)]);
    }
}
