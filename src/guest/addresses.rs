//! The guests' addresses, out of those that an inventory has for guests.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use ipnet::Ipv4Net;

use super::role::Role;
use crate::failure::{Failure, Result};

/// How long a machine on the next switch may take to answer before its address counts as free.
const SILENCE: Duration = Duration::from_millis(300);

/// The address of guest `number` (from 1) of a role. Guests of the fleet get the host parts from `begin` on, load guests
/// those before it; both wrap around the end of the range, and neither gets the gateway's. A range that is too small for
/// all guests that there may be has room for fewer: a third of it at most is for load guests.
pub fn address(
    role: Role,
    number: u32,
    range: Ipv4Net,
    gateway: Option<Ipv4Addr>,
    begin: u32,
) -> Result<Ipv4Addr> {
    let free: Vec<Ipv4Addr> = range.hosts().filter(|address| Some(*address) != gateway).collect();
    let size = free.len() as u64;
    let of_load = (size / 3).min(u64::from(Role::Load.most()));
    let most = match role {
        Role::Fleet => (size - of_load).min(u64::from(Role::Fleet.most())),
        Role::Load => of_load,
    };
    if number == 0 || u64::from(number) > most {
        let cause = format!("{range} has {size} for guests, of which a {} gets {most}", role.kind());
        return Err(Failure::new(format!("give {} an address", role.name(number)), cause));
    }
    let (begin, number) = (u64::from(begin) % size, u64::from(number));
    let position = match role {
        Role::Fleet => begin + number - 1,
        Role::Load => begin + size - number,
    };
    Ok(free[(position % size) as usize])
}

/// Whether a machine has this address: it accepts a connection to ssh, or refuses it. A machine that lets nobody connect is known
/// by its answer to neighbours (ARP), of which this machine is one where no router stands between.
pub fn is_taken(address: Ipv4Addr) -> bool {
    // What an earlier question has learnt says who had the address, and one without an answer yet is not put again at once.
    let is_old = neighbour(address).is_some_and(|known| !forget(address, &known.device) && known.answered);
    match TcpStream::connect_timeout(&(address, 22).into(), SILENCE) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => true,
        Err(_) => !is_old && neighbour(address).is_some_and(|known| known.answered),
    }
}

/// The neighbours of the calling thread's network: address, type, flags, MAC address, mask, device (proc_net(5), `arp`).
const NEIGHBOURS: &str = "/proc/thread-self/net/arp";

/// What the kernel knows of a neighbour.
#[derive(Debug, PartialEq, Eq)]
struct Neighbour {
    device: String,
    /// Whether its MAC address is known.
    answered: bool,
}

/// The neighbour with an address; none if nobody asked for it lately.
fn neighbour(address: Ipv4Addr) -> Option<Neighbour> {
    neighbour_in(&fs::read_to_string(NEIGHBOURS).ok()?, address)
}

fn neighbour_in(neighbours: &str, address: Ipv4Addr) -> Option<Neighbour> {
    neighbours.lines().find_map(|line| {
        let [of, _, flags, _, _, device] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        // ATF_COM
        (of.parse() == Ok(address))
            .then(|| Neighbour { device: device.to_owned(), answered: flags & 0x2 != 0 })
    })
}

/// Forgets a neighbour, for whom the kernel asks again; false where that is not allowed.
fn forget(address: Ipv4Addr, device: &str) -> bool {
    let forgotten = Command::new("ip")
        .args(["neighbour", "delete", &address.to_string(), "dev", device])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    forgotten.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn range(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn all_guests_have_addresses_of_their_own_wherever_they_begin() {
        let range = range("198.18.7.0/24");
        let gateway = Some(Ipv4Addr::new(198, 18, 7, 1));
        for begin in [0, 1, 52, 252, 253, 254, u32::MAX] {
            let mut seen = HashSet::new();
            for role in [Role::Fleet, Role::Load] {
                for number in 1..=role.most() {
                    let address = address(role, number, range, gateway, begin).unwrap();
                    assert!(range.contains(&address) && Some(address) != gateway, "{address}");
                    assert!(address != range.network() && address != range.broadcast(), "{address}");
                    assert!(seen.insert(address), "{address} twice, from {begin} on");
                }
            }
        }
    }

    #[test]
    fn a_small_range_has_room_for_a_small_fleet() {
        let range = range("198.18.7.128/29");
        let of = |role, number| address(role, number, range, None, 5);
        let fleet = (1..=4).map(|number| of(Role::Fleet, number));
        let load = (1..=2).map(|number| of(Role::Load, number));
        let all: HashSet<Ipv4Addr> = fleet.chain(load).map(Result::unwrap).collect();
        assert_eq!(all.len(), 6);
        assert!(of(Role::Fleet, 5).is_err() && of(Role::Load, 3).is_err());
    }

    #[test]
    fn an_address_stays_a_guests_own_for_as_long_as_the_beginning_does() {
        let first = || address(Role::Fleet, 3, range("10.1.2.0/24"), None, 77).unwrap();
        assert_eq!(first(), first());
        assert_eq!(first(), Ipv4Addr::new(10, 1, 2, 80));
    }

    #[test]
    fn a_number_that_no_guest_has_and_a_range_that_is_too_small_are_refused() {
        let failed =
            |number, text: &str| address(Role::Fleet, number, range(text), None, 0).unwrap_err().to_string();
        assert!(failed(0, "10.0.0.0/24").contains("a fleet gets 200"));
        assert!(failed(201, "10.0.0.0/24").contains("a fleet gets 200"));
        assert!(
            failed(85, "10.0.0.0/25").contains("10.0.0.0/25 has 126 for guests, of which a fleet gets 84")
        );
    }

    #[test]
    fn a_machine_that_refuses_a_connection_is_there() {
        assert!(is_taken(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn only_a_neighbour_that_answered_has_an_address() {
        let neighbours = "\
IP address       HW type     Flags       HW address            Mask     Device
198.18.7.1       0x1         0x2         52:54:00:6d:76:01     *        br0
198.18.7.2       0x1         0x0         00:00:00:00:00:00     *        br0
198.18.7.3       0x1         0x6         52:54:00:6d:76:03     *        eth1
";
        let seen = |end| neighbour_in(neighbours, Ipv4Addr::new(198, 18, 7, end));
        let known = |device: &str, answered| Some(Neighbour { device: device.into(), answered });
        assert_eq!([1, 2].map(seen), [known("br0", true), known("br0", false)]);
        assert_eq!([3, 4].map(seen), [known("eth1", true), None]);
    }
}
