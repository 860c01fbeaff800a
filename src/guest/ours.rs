//! Decides whether a domain is ours. Everything that starts, stops, changes or removes a domain asks here and nowhere else.

use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::libvirt::{Domain, OurDomain};

/// Advice about something in the way that multivm did not make.
pub const LEFT_ALONE: &str = "multivm leaves it alone. If it is of use, rename it or move it elsewhere; if not, remove it \
                              by hand.";

/// Gives a domain for changes, and refuses one without the mark of `owner`.
pub fn ours(domain: &Domain, owner: &str) -> Result<OurDomain> {
    let name = domain.name();
    let attempted = || format!("use the domain {name}");
    let host = domain.connection().host();
    let claimed = OurDomain::claim(domain.clone(), owner).attempting(attempted)?;
    claimed.ok_or_else(|| {
        let why = format!("multivm did not make it for this run (its UUID is {})", domain.uuid());
        Failure::new(attempted(), Cause::new(FailureKind::Refused, why)).at(host).try_next(LEFT_ALONE)
    })
}
