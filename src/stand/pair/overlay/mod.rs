//! The overlay: a network of the guests' own, over VXLAN links between both hosts and this machine.
//!
//! ```text
//!   guests -- bridge -- VXLAN --- VXLAN -- bridge -- guests
//!             source        \     /        target
//!                            VXLAN
//!                         this machine
//! ```
//!
//! Each of the three has one VXLAN link. It sends a frame for somebody whom it does not know, or for all, to both others (head-end
//! replication), and learns from what arrives where a guest is. The frame by which QEMU announces a guest that has arrived goes
//! to both others, so that from then on they send to the guest's new host. There is no loop: nobody hands on what
//! came over VXLAN, since a bridge never gives a frame back to the port that it came by, and this machine has no bridge.

mod uplink;

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use ipnet::Ipv4Net;

pub use uplink::Uplink;

use super::change::Change;
use super::segment::{DISCARD, hears};
use super::{PairHost, gate};
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::file::Consent;
use crate::ledger::Thing;
use crate::stand::{Ground, ip};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// The UDP port of VXLAN.
pub const VXLAN_PORT: u16 = 4789;

/// What a frame grows by on its way: Ethernet, IPv4, UDP and VXLAN headers.
const HEADERS: u32 = 50;

/// The largest MTU of what is below that is made use of: what lies between the hosts may take no more.
const ORDINARY: u32 = 1500;

/// How long the first frames may take between members.
const ANSWER: Duration = Duration::from_secs(30);

/// A member's number: its place in the subnet, and the end of its MAC address.
const CONTROLLER: u8 = 1;
const HOSTS: [u8; 2] = [2, 3];

/// The overlay of a run.
#[derive(Debug)]
pub struct VxlanOverlay {
    subnet: Ipv4Net,
    /// VXLAN's number of the network, which follows from the run.
    vni: u32,
    mtu: u32,
    uplink: Uplink,
    /// For each host, the address of the other one, as it reaches it.
    peers: [Ipv4Addr; 2],
}

/// The MTU of an overlay over links with these MTUs.
pub fn overlay_mtu(below: impl IntoIterator<Item = u32>) -> u32 {
    below.into_iter().fold(ORDINARY, u32::min).saturating_sub(HEADERS)
}

impl VxlanOverlay {
    /// The overlay of a run, over the links that the hosts and this machine have.
    pub fn of(subnet: Ipv4Net, run: &str, sides: &[PairHost<'_>; 2]) -> Result<VxlanOverlay> {
        let [source, target] = sides;
        let uplink = Uplink::to([&source.machine.address, &target.machine.address])?;
        let here = uplink.address.to_string();
        let ways = |side: &PairHost<'_>, peer: &PairHost<'_>| {
            let way = |to: &str| {
                side.facts.way(to).ok_or_else(|| {
                    Failure::new("make the overlay", format!("it has no way to {to}")).at(side.name)
                })
            };
            let (peer, controller) = (way(&peer.machine.migration_address)?, way(&here)?);
            Ok((peer.address, peer.mtu.min(controller.mtu)))
        };
        let ((to_target, one), (to_source, other)) = (ways(source, target)?, ways(target, source)?);
        Ok(VxlanOverlay {
            subnet,
            vni: vni(run),
            mtu: overlay_mtu([one, other, uplink.mtu]),
            uplink,
            peers: [to_target, to_source],
        })
    }

    /// The bridge that guests are attached to, on both hosts.
    pub fn bridge(&self) -> String {
        // The kernel allows 15 characters.
        format!("multivm-b{:06x}", self.vni)
    }

    /// The VXLAN link, on each of the three.
    fn link(&self) -> String {
        format!("multivm-v{:06x}", self.vni)
    }

    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// The part of the subnet from which guests get their addresses: its last one of 256 at most, which is not the first.
    pub fn guests(&self) -> Ipv4Net {
        let length = (self.subnet.prefix_len() + 1).max(24);
        Ipv4Net::new(self.subnet.broadcast(), length).map_or(self.subnet, |part| part.trunc())
    }

    /// A member's address in the overlay.
    fn address(&self, member: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.subnet.network().to_bits() + u32::from(member))
    }

    /// A member's MAC address in the overlay. A bridge without one of its own takes a guest's.
    fn mac(&self, member: u8) -> String {
        let [_, a, b, c] = self.vni.to_be_bytes();
        format!("02:{a:02x}:{b:02x}:{c:02x}:00:{member:02x}")
    }

    /// What is done on a host, and whom its firewall lets in.
    pub fn changes(&self, at: usize, firewall: bool) -> Vec<Change> {
        let (peer, here) = (self.peers[at], self.uplink.address);
        let mut changes = Vec::new();
        if firewall {
            changes.extend([admit("52-vxlan-host", peer), admit("54-vxlan-controller", here)]);
        }
        changes.push(self.links(at, [peer, here]));
        changes
    }

    fn links(&self, at: usize, others: [Ipv4Addr; 2]) -> Change {
        let (bridge, link, mtu, vni) = (self.bridge(), self.link(), self.mtu, self.vni);
        let (mac, address) = (self.mac(HOSTS[at]), self.address(HOSTS[at]));
        let length = self.subnet.prefix_len();
        let forward: String =
            others.iter().map(|other| format!("bridge {} &&\n", forward(&link, *other))).collect();
        Change {
            name: "56-overlay",
            consent: Some(Consent::Links),
            unless: "false".into(),
            // What has such a name already is somebody's, and nothing takes it back.
            note: format!(
                "for link in {bridge} {link}; do\n\
                 ! ip link show dev $link > /dev/null 2>&1 || {{ echo \"there is a link $link already\" >&2; exit 1; }}\n\
                 done"
            ),
            act: format!(
                "ip link add name {bridge} address {mac} mtu {mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 &&\n\
                 ip link add name {link} mtu {mtu} {} &&\n\
                 {forward}\
                 ip link set dev {link} master {bridge} up &&\n\
                 ip address add {address}/{length} dev {bridge} &&\n\
                 ip link set dev {bridge} up",
                vxlan(vni)
            ),
            undo: format!(
                "! ip -d link show dev {link} 2> /dev/null | grep -q 'vxlan id {vni} ' || ip link delete dev {link} || exit 1\n\
                 ! ip link show dev {bridge} 2> /dev/null | grep -q {mac} || ip link delete dev {bridge}"
            ),
            instead: "a bridge of the same name on both hosts: `bridge`".into(),
        }
    }

    /// Makes this machine a member, once the hosts are. Its frames leave by the link to the hosts alone, and its own link goes with
    /// that one.
    pub fn join(&self, ground: Ground<'_>) -> Result<()> {
        let link = self.link();
        let Uplink { link: below, address, hosts, .. } = &self.uplink;
        ground.ledger.enter(Thing::Link { name: link.clone() })?;
        let (mac, mtu) = (self.mac(CONTROLLER), self.mtu);
        ip::ip(&format!(
            "link add name {link} address {mac} mtu {mtu} {} local {address} dev {below}",
            vxlan(self.vni)
        ))?;
        for host in hosts {
            ip::bridge(&forward(&link, *host))?;
        }
        ip::ip(&format!("address add {}/{} dev {link}", self.address(CONTROLLER), self.subnet.prefix_len()))?;
        ip::ip(&format!("link set dev {link} up"))
    }

    /// Proves that every member reaches the others: each knows the MAC address that another one has. No firewall of a host
    /// has a say in that, except over what is below.
    pub fn prove(&self, sides: &[PairHost<'_>; 2], stop: &StopFlag) -> Result<()> {
        let socket = UdpSocket::bind((self.address(CONTROLLER), 0))
            .map_err(|error| Failure::new("send through the overlay", error))?;
        let link = self.link();
        for (side, member) in sides.iter().zip(HOSTS) {
            let (address, mac) = (self.address(member), self.mac(member));
            wait_for(&format!("the {} to answer through the overlay", side.name), ANSWER, stop, || {
                // Whether it arrives does not matter.
                let _ = socket.send_to(b"", (address, DISCARD));
                match ip::said(&format!("-4 neigh show to {address} dev {link}")) {
                    Ok(said) if said.contains(&mac) => Poll::Ready(()),
                    Ok(said) => Poll::NotYet(said.trim().to_owned()),
                    Err(failure) => Poll::Never(failure.cause),
                }
            })
            .map_err(|failure| self.advise(failure))?;
        }
        let [source, _] = sides;
        if hears(&source.remote, &self.bridge(), self.address(HOSTS[1]), &self.mac(HOSTS[1]), ANSWER)? {
            return Ok(());
        }
        let cause = Cause::new(FailureKind::TimedOut, format!("no answer in {} s", ANSWER.as_secs()));
        Err(self.advise(Failure::new("reach the target through the overlay", cause).at(source.name)))
    }

    fn advise(&self, failure: Failure) -> Failure {
        let Uplink { address, hosts: [source, target], .. } = &self.uplink;
        failure.try_next(format!(
            "UDP port {VXLAN_PORT} must be open in all directions between {source}, {target} and this machine, {address}: `firewall` in `allow` opens it \
             on the hosts; a firewall on this machine or on the way is not multivm's"
        ))
    }
}

/// VXLAN's number for a run, which is a UUID.
fn vni(run: &str) -> u32 {
    let digits: String = run.chars().filter(char::is_ascii_hexdigit).take(6).collect();
    u32::from_str_radix(&digits, 16).unwrap_or_default().max(1)
}

/// The kind of the link, as `ip link add` takes it.
fn vxlan(vni: u32) -> String {
    format!("type vxlan id {vni} dstport {VXLAN_PORT}")
}

/// What makes a link send to another member, too, what is for all, as `bridge` takes it.
fn forward(link: &str, other: Ipv4Addr) -> String {
    format!("fdb append 00:00:00:00:00:00 dev {link} dst {other}")
}

/// Lets another member in at a host's firewall.
fn admit(name: &'static str, from: Ipv4Addr) -> Change {
    let port = format!("{VXLAN_PORT}/udp");
    gate::admit(
        name,
        &from.to_string(),
        &port,
        &format!("open {port} for the other host and for this machine"),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::super::testing::{Sandbox, content};
    use super::*;

    /// An ip whose links are files, with what they were made of.
    const IP: &str = r#"#!/bin/sh
links=$(dirname "$0")/../links
mkdir -p "$links"
for last in "$@"; do :; done
case $* in
    'link add name '*) [ ! -e "$links/$4" ] && echo "$*" >"$links/$4" ;;
    *'link show dev '*) cat "$links/$last" ;;
    'link delete dev '*) rm "$links/$last" ;;
    'address add '*) [ ! -e "$links/../no-address" ] ;;
esac
"#;

    /// A bridge that writes down what it is asked for.
    const BRIDGE: &str = "#!/bin/sh\necho \"$*\" >>\"$(dirname \"$0\")/../fdb\"\n";

    const BELOW: [Ipv4Addr; 3] =
        [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];

    fn overlay(subnet: &str, run: &str) -> VxlanOverlay {
        let [address, source, target] = BELOW;
        VxlanOverlay {
            subnet: subnet.parse().unwrap(),
            vni: vni(run),
            mtu: overlay_mtu([1500, 9000, 65536]),
            uplink: Uplink { link: "eth0".into(), address, hosts: [source, target], mtu: 1500 },
            peers: [target, source],
        }
    }

    fn host() -> Sandbox {
        let host = Sandbox::leased();
        host.program("ip", IP);
        host.program("bridge", BRIDGE);
        host
    }

    /// The overlay's links on the source.
    fn links() -> Vec<Change> {
        overlay("198.18.40.0/24", "0A1B2c3d-0000").changes(0, false)
    }

    fn left(host: &Sandbox) -> Vec<String> {
        let links = fs::read_dir(host.path("links")).into_iter().flatten().flatten();
        let mut names: Vec<_> = links.map(|link| link.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_host_sends_to_both_others_and_is_put_back() {
        let host = host();
        let output = host.make(&links(), &[Consent::Links]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(left(&host), ["multivm-b0a1b2c", "multivm-v0a1b2c"]);
        let to = |address| format!("fdb append 00:00:00:00:00:00 dev multivm-v0a1b2c dst {address}\n");
        assert_eq!(content(&host.path("fdb")), Some(to("192.0.2.12") + &to("192.0.2.1")));
        let vxlan = content(&host.path("links/multivm-v0a1b2c")).unwrap();
        assert!(vxlan.contains("mtu 1450 type vxlan id 662316 dstport 4789"), "{vxlan}");
        assert!(host.put_back().status.success() && left(&host).is_empty());
    }

    #[test]
    fn what_is_half_made_is_put_back() {
        let host = host();
        fs::write(host.path("no-address"), "").unwrap();
        assert!(!host.make(&links(), &[Consent::Links]).status.success());
        assert_eq!(left(&host).len(), 2);
        assert!(host.put_back().status.success() && left(&host).is_empty());
    }

    #[test]
    fn a_link_of_somebody_is_left_alone() {
        let host = host();
        host.sh(&format!("{} link add name multivm-b0a1b2c theirs", host.path("bin/ip").display()));
        let output = host.make(&links(), &[Consent::Links]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("there is a link multivm-b0a1b2c already"));
        assert!(!host.lease("changes/56-overlay").exists());
        // Even what was to take it back would not.
        assert!(host.undo(&links()[0]).status.success());
        assert_eq!(left(&host), ["multivm-b0a1b2c"]);
    }

    #[rstest]
    #[case::ordinary("198.18.40.0/24", "198.18.40.128/25")]
    #[case::small("198.18.40.32/27", "198.18.40.48/28")]
    #[case::large("10.0.0.0/8", "10.255.255.0/24")]
    fn guests_have_a_part_of_the_subnet_that_no_member_is_in(#[case] subnet: &str, #[case] guests: &str) {
        let overlay = overlay(subnet, "1");
        assert_eq!(overlay.guests(), guests.parse().unwrap());
        let members = [CONTROLLER, HOSTS[0], HOSTS[1]].map(|member| overlay.address(member));
        assert!(members.iter().all(|member| !overlay.guests().contains(member)), "{members:?}");
        assert!(members.iter().all(|member| overlay.subnet.contains(member)), "{members:?}");
    }

    #[test]
    fn names_have_room_and_every_run_has_a_number() {
        for run in ["", "00000000-0000", "ffffffff-ffff"] {
            let overlay = overlay("198.18.40.0/24", run);
            assert!((1..1 << 24).contains(&overlay.vni), "{run}");
            assert!(overlay.bridge().len() <= 15 && overlay.link().len() <= 15);
        }
    }

    #[test]
    fn frames_fit_into_what_is_below() {
        assert_eq!([overlay_mtu([9000]), overlay_mtu([1500, 1400])], [1450, 1350]);
    }

    #[test]
    fn only_whom_it_concerns_is_let_in() {
        let overlay = overlay("198.18.40.0/24", "1");
        let acts: Vec<String> = overlay.changes(1, true).into_iter().map(|change| change.act).collect();
        assert!(acts[0].ends_with("gate open 192.0.2.11 4789/udp"), "{}", acts[0]);
        assert!(acts[1].ends_with("gate open 192.0.2.1 4789/udp"), "{}", acts[1]);
    }
}
