//! Machine hosts behind other firewalls than firewalld: what a run opens there is open for the other host alone, and closed
//! again.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use libtest_mimic::{Completion, Failed};
use multivm::image::Store;
use multivm::remote::Remote;
use multivm::sys::stop::StopFlag;

use super::{ANSWER_LIMIT, Raised, expect, played};

/// What opens and closes ports, as hosts get it.
const GATE: &str = include_str!("../../src/stand/pair/gate.sh");

/// How long a firewall that drops what comes is waited for.
const SILENCE: Duration = Duration::from_secs(3);

/// The first port of migrations.
const PORT: u16 = 49152;

/// A firewall that lets in nobody but by ssh.
struct Firewall {
    name: &'static str,
    /// Commands for root that set it up, and that take it down.
    up: &'static str,
    down: &'static str,
    /// A command that says its rules.
    rules: &'static str,
}

/// The rules of iptables, or of a program like it.
macro_rules! iptables {
    ($iptables:literal) => {
        concat!(
            "add() { ",
            $iptables,
            " -A INPUT \"$@\" -j ACCEPT; }; add -m conntrack --ctstate ESTABLISHED,RELATED; add -i lo; add -p icmp; \
             add -p tcp --dport 22; ",
            $iptables,
            " -P INPUT DROP"
        )
    };
}

const FIREWALLS: [Firewall; 4] = [
    Firewall {
        name: "a chain of nftables",
        up: "echo 'table inet own { chain input { type filter hook input priority filter; policy drop; \
             ct state established,related accept; iif lo accept; meta l4proto icmp accept; tcp dport 22 accept; }; }' | nft -f -",
        down: "nft flush ruleset",
        rules: "nft list ruleset",
    },
    Firewall {
        name: "iptables-legacy, which `iptables` does not stand for",
        up: iptables!("iptables-legacy"),
        down: "iptables-legacy -P INPUT ACCEPT; iptables-legacy -F",
        rules: "iptables-legacy -S",
    },
    Firewall { name: "iptables", up: iptables!("iptables"), down: "nft flush ruleset", rules: "iptables -S" },
    Firewall {
        name: "a chain with iptables' name, and no iptables",
        up: concat!(iptables!("iptables"), "; mv /usr/sbin/iptables /root"),
        down: "mv /root/iptables /usr/sbin; nft flush ruleset",
        rules: "iptables-nft -S",
    },
];

/// The gate by itself, on a target that has one firewall after another.
pub fn gates() -> Result<Completion, Failed> {
    let raised = Raised::up()?;
    let [(source, from), (target, at)] = raised.hosts()?;
    give_nft(&at)?;
    at.check_with_input(
        "mkdir -p /var/lib/multivm/lease; cat > /var/lib/multivm/lease/gate",
        GATE.as_bytes(),
        ANSWER_LIMIT,
    )?;
    at.check(
        &format!(
            "systemctl -q stop firewalld; setsid python3 -m http.server {PORT} > /dev/null 2>&1 < /dev/null &"
        ),
        ANSWER_LIMIT,
    )?;
    let address: SocketAddr = format!("{target}:{PORT}").parse()?;
    // The source first, and then this machine.
    let let_in = || -> Result<[bool; 2], Failed> {
        let tries = format!("timeout {} bash -c 'exec 3<>/dev/tcp/{target}/{PORT}'", SILENCE.as_secs());
        let source = from.run_with_input(&tries, &[], ANSWER_LIMIT)?.status == 0;
        Ok([source, TcpStream::connect_timeout(&address, SILENCE).is_ok()])
    };
    let gate = |what: &str| {
        at.check(&format!("sh /var/lib/multivm/lease/gate {what} {source} {PORT}-49215"), ANSWER_LIMIT)
    };
    for Firewall { name, up, down, rules } in FIREWALLS {
        expect(let_in()? == [true, true], &format!("{name}: nothing answers before it is up"))?;
        at.check(&format!("set -e\n{up}"), ANSWER_LIMIT)?;
        let before = at.check(rules, ANSWER_LIMIT)?;
        let mut seen = vec![let_in()?];
        gate("open")?;
        seen.push(let_in()?);
        gate("close")?;
        seen.push(let_in()?);
        let after = at.check(rules, ANSWER_LIMIT)?;
        eprintln!("machines: {name}: closed, open, closed: {seen:?}");
        expect(seen == [[false, false], [true, false], [false, false]], &format!("{name}: {seen:?}"))?;
        expect(before == after, &format!("{name}: the rules were\n{before}and are\n{after}"))?;
        at.check(&format!("{down}; rm /var/lib/multivm/lease/*.*"), ANSWER_LIMIT)?;
    }
    raised.down()?;
    Ok(Completion::Completed)
}

/// A command that says what a run adds to the rules of iptables.
const ADDED: &str = "iptables -S INPUT | grep multivm";

/// A whole run through iptables on both hosts.
pub fn played_through() -> Result<Completion, Failed> {
    let raised = Raised::up()?;
    let hosts = raised.hosts()?;
    for (_, remote) in &hosts {
        remote.check(
            &format!("set -e\nsystemctl -q stop firewalld; {}", iptables!("iptables")),
            ANSWER_LIMIT,
        )?;
        remote.check(&witness(), ANSWER_LIMIT)?;
    }
    let over = StopFlag::new();
    let (result, admitted) = std::thread::scope(|scope| {
        let stranger = scope.spawn(|| admitted(hosts.iter().map(|(address, _)| address), &over));
        let result = played(&raised);
        over.set();
        (result, stranger.join().unwrap_or_default())
    });
    let mut said = Vec::new();
    for (address, remote) in &hosts {
        let notes = remote.check("rm /root/added.on; cat /root/added", ANSWER_LIMIT)?;
        eprintln!("machines: added to the rules of {address}:\n{notes}");
        said.push(notes);
    }
    result?;
    for (at, wanted) in [(0, "2049"), (0, "49152:49215"), (1, "49152:49215")] {
        let rule = format!("-s {}/32 -p tcp -m tcp --dport {wanted} -m comment", hosts[1 - at].0);
        expect(said[at].contains(&rule), &format!("never seen on {}: {rule}", hosts[at].0))?;
        expect(said[at].trim_end().ends_with("nothing"), "the run has left a rule")?;
    }
    expect(admitted.is_empty(), &format!("this machine was let in: {admitted:?}"))?;
    raised.down()?;
    Ok(Completion::Completed)
}

/// A command that leaves a shell behind, which notes what was added to the rules whenever that is something else.
fn witness() -> String {
    format!(
        "cat > /root/witness << 'END'\nwas=\nwhile [ -e /root/added.on ]; do\nnow=$({ADDED}); now=${{now:-nothing}}\n\
         [ \"$now\" = \"$was\" ] || echo \"$now\"\nwas=$now\nsleep 2\ndone\nEND\n\
         touch /root/added.on; setsid sh /root/witness > /root/added 2>&1 < /dev/null &"
    )
}

/// The program nft, which machine hosts do not have, from an image of a lab's host of the same Debian.
fn give_nft(remote: &Remote) -> Result<(), Failed> {
    let images = Store::read(|name| std::env::var(name).ok())?.cache.join("images");
    for image in fs::read_dir(&images)?.flatten() {
        let Ok(nft) = fs::read(image.path().join("root/usr/sbin/nft")) else { continue };
        let place = "cat > /usr/sbin/nft; chmod 755 /usr/sbin/nft; nft list ruleset > /dev/null";
        if remote.run_with_input(place, &nft, ANSWER_LIMIT)?.status == 0 {
            return Ok(());
        }
    }
    Err(format!("no host image in {} has an nft for machine hosts", images.display()).into())
}

/// Tries the first port of migrations of the hosts, as long as it lasts; what answers.
fn admitted<'a>(addresses: impl Iterator<Item = &'a String>, over: &StopFlag) -> Vec<String> {
    let ports: Vec<SocketAddr> =
        addresses.filter_map(|address| format!("{address}:{PORT}").parse().ok()).collect();
    let mut admitted = Vec::new();
    while !over.is_set() {
        let answers = |port: &&SocketAddr| TcpStream::connect_timeout(port, SILENCE).is_ok();
        admitted.extend(ports.iter().filter(answers).map(SocketAddr::to_string));
        over.pause(Duration::from_secs(1));
    }
    admitted
}
