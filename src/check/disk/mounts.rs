//! File systems that a guest could write to, and can no more. What was read-only from the beginning is the guest's own business.
//!
//! A program that has a file open may go on writing to it, and a kernel need not say a word. So mounts are compared.

use std::collections::HashMap;

use super::about::{ABOUT, READ_ONLY};
use crate::check::{GuestLook, Proof, lines};
use crate::remote::DeviceMount;

/// The mounts of every guest at its last look.
#[derive(Default)]
pub(super) struct KnownMounts(HashMap<String, LastMounts>);

struct LastMounts {
    boot_id: String,
    mounts: Vec<DeviceMount>,
}

impl KnownMounts {
    /// Takes a scenario's first look at a guest, and finds what has become read-only since the last one of the scenario before.
    pub fn first(&mut self, look: &GuestLook) -> Option<Proof> {
        self.learn(look);
        let earlier = look.earlier.as_ref().filter(|earlier| earlier.boot_id == look.seen.boot_id)?;
        let mut found = check(&earlier.mounts, &look.seen.mounts)?;
        found.seen += "\nbetween the last scenario and this one";
        Some(found)
    }

    /// Takes a look at a guest to compare the next one with.
    fn learn(&mut self, look: &GuestLook) {
        let last = LastMounts { boot_id: look.seen.boot_id.clone(), mounts: look.seen.mounts.clone() };
        self.0.insert(look.guest.name.clone(), last);
    }

    /// Takes a further look, and finds what has become read-only since the look before; nothing after a reboot, whose mounts
    /// are others.
    pub fn next(&mut self, look: &GuestLook) -> Option<Proof> {
        let last = self.0.get(&look.guest.name).filter(|last| last.boot_id == look.seen.boot_id);
        let found = last.and_then(|last| check(&last.mounts, &look.seen.mounts));
        self.learn(look);
        found
    }
}

/// The finding about mounts that were writable before and are not now; none without any.
fn check(before: &[DeviceMount], now: &[DeviceMount]) -> Option<Proof> {
    let was_writable = |mount: &&DeviceMount| {
        let same = |before: &&DeviceMount| (&before.point, &before.device) == (&mount.point, &mount.device);
        before.iter().filter(same).any(|before| before.is_writable)
    };
    let lost = now.iter().filter(|mount| !mount.is_writable).filter(was_writable);
    let lost: Vec<String> =
        lost.map(|mount| format!("{} of {} has become read-only", mount.point, mount.device)).collect();
    let expected = "every file system still writable that was so at the look before";
    (!lost.is_empty()).then(|| Proof::new(&ABOUT, false, expected, lines(&lost)).advise(&READ_ONLY))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;
    use crate::guest::LastLook;
    use crate::plan::Leg;
    use crate::scenario::Direction;

    fn mount(options: &str, device: &str, point: &str) -> DeviceMount {
        DeviceMount { is_writable: options == "rw", device: device.into(), point: point.into() }
    }

    fn look(boot_id: &str, mounts: &[(&str, &str, &str)]) -> GuestLook {
        let mut look = GuestLook::in_a_test("vm1", boot_id, Instant::now());
        look.seen.mounts =
            mounts.iter().map(|(options, device, point)| mount(options, device, point)).collect();
        look
    }

    /// Mounts at the first look, at a further one, and what is found.
    #[rstest]
    #[case::stays_writable(&[("rw", "/dev/vda1", "/")], &[("rw", "/dev/vda1", "/")], "")]
    #[case::root_is_lost(&[("rw", "/dev/vda1", "/")], &[("ro", "/dev/vda1", "/")], "/ of /dev/vda1 has become read-only")]
    #[case::was_read_only_before(&[("ro", "/dev/vda1", "/")], &[("ro", "/dev/vda1", "/")], "")]
    #[case::becomes_writable(&[("ro", "/dev/vda1", "/")], &[("rw", "/dev/vda1", "/")], "")]
    #[case::a_new_one(&[("rw", "/dev/vda1", "/")], &[("rw", "/dev/vda1", "/"), ("ro", "/dev/vda1", "/mnt")], "")]
    #[case::another_device(&[("rw", "/dev/sr0", "/mnt")], &[("ro", "/dev/sr1", "/mnt")], "")]
    #[case::is_unmounted(&[("rw", "/dev/vda1", "/"), ("rw", "/dev/vdb", "/srv")], &[("rw", "/dev/vda1", "/")], "")]
    #[case::one_of_two(
        &[("rw", "/dev/vda1", "/"), ("rw", "/dev/vdb", "/srv")],
        &[("rw", "/dev/vda1", "/"), ("ro", "/dev/vdb", "/srv")],
        "/srv of /dev/vdb has become read-only"
    )]
    #[case::both(
        &[("rw", "/dev/vda1", "/"), ("rw", "/dev/vda1", "/srv")],
        &[("ro", "/dev/vda1", "/"), ("ro", "/dev/vda1", "/srv")],
        "/ of /dev/vda1 has become read-only\n/srv of /dev/vda1 has become read-only"
    )]
    fn what_becomes_read_only_is_found(
        #[case] before: &[(&str, &str, &str)],
        #[case] now: &[(&str, &str, &str)],
        #[case] expected: &str,
    ) {
        let mut known = KnownMounts::default();
        known.learn(&look("a", before));
        let found = known.next(&look("a", now));
        assert_eq!(found.as_ref().map_or("", |proof| &proof.seen), expected);
        assert!(found.is_none_or(|proof| !proof.ok && proof.advice == Some(&READ_ONLY)));
        assert_eq!(known.next(&look("a", now)), None, "it is found once");
    }

    #[test]
    fn it_is_compared_with_the_look_before_and_charged_to_the_move_between() {
        let (rw, ro): (&[_], &[_]) = (&[("rw", "/dev/vda", "/")], &[("ro", "/dev/vda", "/")]);
        let mut known = KnownMounts::default();
        known.learn(&look("a", ro));
        // The guest makes its root writable itself when it has booted.
        assert_eq!(known.next(&look("a", rw)), None);
        let leg = Leg { guest: 0, direction: Direction::Back, round: 1 };
        let look = GuestLook { leg: Some(leg), ..look("a", ro) };
        let proof = look.proof(known.next(&look).unwrap());
        assert_eq!((proof.guest.as_deref(), proof.leg), (Some("vm1"), Some(leg)));
    }

    #[test]
    fn what_becomes_read_only_between_two_scenarios_is_found() {
        let (rw, ro): (&[_], &[_]) = (&[("rw", "/dev/vda", "/")], &[("ro", "/dev/vda", "/")]);
        let found = |earlier_boot: &str, before: &[(&str, &str, &str)]| {
            let mounts = look("a", before).seen.mounts;
            let at = std::time::SystemTime::UNIX_EPOCH;
            let earlier = LastLook { boot_id: earlier_boot.into(), was_reset: false, at, mounts };
            let mut known = KnownMounts::default();
            let found = known.first(&GuestLook { earlier: Some(earlier), ..look("a", ro) });
            assert_eq!(known.next(&look("a", ro)), None, "it is found once");
            found.map(|proof| proof.seen)
        };
        let seen = "/ of /dev/vda has become read-only\nbetween the last scenario and this one";
        assert_eq!(found("a", rw).as_deref(), Some(seen));
        assert_eq!(found("a", ro), None);
        assert_eq!(found("b", rw), None, "another boot");
        assert_eq!(KnownMounts::default().first(&look("a", ro)), None, "nobody looked before");
    }

    #[test]
    fn a_boot_has_mounts_of_its_own() {
        let mut known = KnownMounts::default();
        known.learn(&look("a", &[("rw", "/dev/vda", "/")]));
        assert_eq!(known.next(&look("b", &[("ro", "/dev/vda", "/")])), None);
        assert_eq!(known.next(&look("b", &[("ro", "/dev/vda", "/")])), None);
        assert_eq!(
            KnownMounts::default().next(&look("b", &[("ro", "/dev/vda", "/")])),
            None,
            "nothing is known"
        );
    }
}
