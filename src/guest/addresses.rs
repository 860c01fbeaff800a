//! The guests' addresses, out of those that an inventory has for guests.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
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

/// Whether a machine has this address: it accepts a connection to ssh, or refuses it.
pub fn answers(address: Ipv4Addr) -> bool {
    match TcpStream::connect_timeout(&(address, 22).into(), SILENCE) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    }
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
        assert!(answers(Ipv4Addr::LOCALHOST));
    }
}
