//! File systems that a guest could write to at the look before, and can no more.

use super::about::{ABOUT, READ_ONLY};
use crate::check::lost::BETWEEN;
use crate::check::{GuestLook, Proof, lines};

/// The finding about a scenario's first look at a guest.
pub(super) fn at_first(look: &GuestLook) -> Option<Proof> {
    let mut found = at(look)?;
    found.seen += &format!("\n{BETWEEN}");
    Some(found)
}

/// The finding about a further look at a guest.
pub(super) fn at(look: &GuestLook) -> Option<Proof> {
    let lost = look.earlier.as_ref()?.read_only_since(&look.seen);
    let expected = "every file system still writable that was so at the look before";
    let found = || Proof::new(&ABOUT, false, expected, lines(&lost)).advise(&READ_ONLY);
    (!lost.is_empty()).then(|| look.proof(found()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::guest::LastLook;
    use crate::plan::Leg;
    use crate::remote::DeviceMount;
    use crate::scenario::Direction;

    /// A look after one that saw the root writable, or saw it not at all.
    fn look(earlier: Option<&str>, is_writable: bool) -> GuestLook {
        let root =
            |is_writable| vec![DeviceMount { is_writable, device: "/dev/vda".into(), point: "/".into() }];
        let mut look = GuestLook::in_a_test("vm1", "a", Instant::now());
        look.seen.mounts = root(is_writable);
        look.earlier = earlier.map(|boot| LastLook { mounts: root(true), ..LastLook::in_a_test(boot) });
        look
    }

    #[test]
    fn a_root_that_became_read_only_is_found_with_the_move_before() {
        let leg = Leg { guest: 0, direction: Direction::Back, round: 1 };
        let found = at(&GuestLook { leg: Some(leg), ..look(Some("a"), false) }).unwrap();
        assert_eq!((found.ok, found.guest.as_deref(), found.leg), (false, Some("vm1"), Some(leg)));
        assert_eq!((&*found.seen, found.advice), ("/ of /dev/vda has become read-only", Some(&READ_ONLY)));
        let first = at_first(&look(Some("a"), false)).unwrap();
        assert_eq!(first.seen, "/ of /dev/vda has become read-only\nbetween the last scenario and this one");
    }

    #[test]
    fn nothing_is_found_without_a_change() {
        assert_eq!(at(&look(Some("a"), true)), None);
        assert_eq!(at(&look(None, false)), None, "nobody looked before");
        assert_eq!(at_first(&look(Some("b"), false)), None, "another boot");
    }
}
