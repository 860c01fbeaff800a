//! Whether migrations reach each host: a connection to a port of them, from the other one.

use std::time::Duration;

use super::{AskedHost, Consent, Diagnosis, Mend, Pair};
use crate::failure::Result;
use crate::inventory::file::ListedHost;
use crate::remote::{Remote, quote};
use crate::sys::parallel::at_once;

const WHAT: &str = "migration ports";

/// How long a connection may take before the port counts as one that drops everything.
const CONNECT: Duration = Duration::from_secs(3);

/// How long the command with it may take.
const LIMIT: Duration = Duration::from_secs(60);

pub fn examine([source, target]: &[AskedHost<'_>; 2], pair: &Pair) -> Vec<Diagnosis> {
    let ways = [(target, source), (source, target)];
    let tried = at_once("try a port", ways, |(from, to)| {
        try_port(&from.remote, &to.machine.migration_address, to.facts.migration_ports()[0])
    });
    ways.into_iter().zip(tried).map(|((_, to), tried)| told(to, tried, pair)).collect()
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
    /// It was not tried.
    Unknown(String),
}

/// Tries a port by the only program that most hosts have for it, which is bash.
fn try_port(from: &Remote, address: &str, port: u64) -> Result<PortState> {
    let connect = format!("exec 3<>/dev/tcp/{}/{port}", quote(address));
    let command = format!("LC_ALL=C timeout {} bash -c {}", CONNECT.as_secs(), quote(&connect));
    let output = from.run(&command, LIMIT)?;
    Ok(answer(output.status, &output.stderr))
}

fn answer(status: i32, said: &str) -> PortState {
    // bash: connect: Connection refused
    let reason =
        said.lines().find_map(|line| line.split_once("connect: ")).map(|(_, reason)| reason.to_owned());
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

fn told(to: &AskedHost<'_>, tried: Result<PortState>, pair: &Pair) -> Diagnosis {
    let [first, last] = to.facts.migration_ports();
    let ListedHost { migration_address, .. } = to.machine;
    let seen = |what: &str| format!("{migration_address}:{first}, tried from the other host: {what}");
    let blocked = |what: &str| {
        let mend = Mend {
            wanted: &format!("{first}-{last}/tcp open for the other host"),
            command: command(to, pair, first, last),
            consent: Consent::Firewall,
        };
        to.mendable(WHAT, seen(what), mend, pair)
    };
    match tried {
        Ok(PortState::Closed) => to.good(WHAT, seen("nobody listens, as it must be; a firewall that rejects by a reset looks the same")),
        Ok(PortState::Unresolved(words)) => to.missing(
            WHAT,
            seen(&words),
            "wanted: an address that the other host can reach; `migration_address` takes one, which needs no resolver",
        ),
        Ok(PortState::Open) => to.warn(
            WHAT,
            seen("somebody listens there"),
            "libvirt leaves out a port that is in use: ss -ltnp there says whose it is",
        ),
        Ok(PortState::Blocked(words)) => blocked(&format!("{words}: a firewall rejects it, or the address is wrong")),
        Ok(PortState::Silent) => blocked("no answer: a firewall drops it, or the address is wrong"),
        Ok(PortState::Unknown(words)) => to.warn(WHAT, seen(&words), "is bash on the other host?"),
        Err(failure) => to.warn(WHAT, seen(&failure.to_string()), "the other host could not be asked"),
    }
}

/// The command that opens the ports until the host's next boot, for the other host alone.
fn command(to: &AskedHost<'_>, pair: &Pair, first: u64, last: u64) -> String {
    let peer = if to.name == "source" { &pair.target } else { &pair.source };
    let peer = &peer.migration_address;
    let facts = &to.facts;
    let (family, saddr) = if peer.contains(':') { ("ipv6", "ip6 saddr") } else { ("ipv4", "ip saddr") };
    if facts.one("firewalld") == Some("running") {
        return format!(
            "firewall-cmd --add-rich-rule 'rule family={family} source address={peer} port port={first}-{last} protocol=tcp accept'"
        );
    }
    if facts.one("ufw").is_some_and(|state| state.ends_with(" active")) {
        return format!(
            "ufw allow proto tcp from {peer} to any port {first}:{last} (and `ufw delete` of the same afterwards)"
        );
    }
    if facts.has("nft") {
        return format!(
            "nft list ruleset, and a rule in front: {saddr} {peer} tcp dport {first}-{last} accept"
        );
    }
    format!(
        "iptables -I INPUT -p tcp -s {peer} --dport {first}:{last} -j ACCEPT; or is the firewall another machine?"
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
        let [source, _] = hosts(&pair, said, "");
        let found = told(&source, Ok(PortState::Blocked("No route to host".into())), &pair);
        assert_eq!(found.verdict, Grade::Missing);
        assert!(found.advice.as_ref().unwrap().contains(expected), "{found:?}");
    }

    #[test]
    fn ports_are_those_of_qemu_conf() {
        let pair = pair("mount = '/srv'", "nat = true", "'firewall'");
        let [source, _] = hosts(&pair, "migration_port_min 50000\nmigration_port_max 50010", "");
        let found = told(&source, Ok(PortState::Silent), &pair);
        assert_eq!(found.verdict, Grade::Warn, "multivm may open them");
        assert!(found.seen.contains("a:50000") && found.advice.unwrap().contains("50000-50010/tcp"));
    }
}
