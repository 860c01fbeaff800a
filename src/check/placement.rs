//! Exactly one active copy, on the right host.

use super::Proof;
use crate::guest::Guest;
use crate::host::Hosts;

const CHECK: &str = "placement";

/// Asks both hosts for the guest.
pub fn check(guest: &Guest, hosts: &Hosts) -> Proof {
    let side = guest.side();
    let mut ok = true;
    let mut seen = Vec::new();
    for host in hosts.both() {
        let name = &host.entry.name;
        let state = guest.domain_on(host).and_then(|domain| {
            domain.map(|domain| Ok((domain.is_active()?, domain.state()?))).transpose().map_err(
                |error: crate::libvirt::Error| crate::failure::Failure::new("ask for its state", error),
            )
        });
        match state {
            Ok(Some((active, state))) => {
                ok &= if host.side == side { state.is_running() } else { !active };
                seen.push(format!("{state} on {name}"));
            }
            Ok(None) => {
                ok &= host.side != side;
                seen.push(format!("unknown on {name}"));
            }
            // Not knowing is not a proof.
            Err(failure) => {
                ok = false;
                seen.push(failure.to_string());
            }
        }
    }
    let [right, other] = match hosts.both() {
        [source, target] if source.side == side => [source, target],
        [source, target] => [target, source],
    };
    let expected = format!("running on {}, not active on {}", right.entry.name, other.entry.name);
    let proof = Proof::new(CHECK, ok, expected, seen.join(", "));
    if ok {
        proof
    } else {
        proof.try_next("virsh domstate --reason on both hosts; their libvirtd.log is in the evidence")
    }
}
