//! The last testimony of each guest's witness, which checks compare with the present one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::GuestLook;
use crate::failure::Result;

/// A working witness writes several times within this time, however busy its guest is.
const STALLED: Duration = Duration::from_secs(5);

/// A part of every guest's last testimony.
pub struct Witnessed<T>(HashMap<String, LastTestimony<T>>);

struct LastTestimony<T> {
    boot_id: String,
    said: Result<T>,
    /// The last look that showed growth.
    grew: Instant,
}

/// Two testimonies of one boot of a guest.
pub struct Testimonies<T> {
    pub before: Result<T>,
    pub now: Result<T>,
    /// The witness has had so much time since its last growth that it must have grown again.
    pub must_grow: bool,
}

impl<T> Default for Witnessed<T> {
    fn default() -> Witnessed<T> {
        Witnessed(HashMap::new())
    }
}

impl<T: Clone> Witnessed<T> {
    /// Takes the first look at a guest.
    pub fn start(&mut self, look: &GuestLook, said: Result<T>) {
        let baseline = LastTestimony { boot_id: look.seen.boot_id.clone(), said, grew: look.at };
        self.0.insert(look.guest.name.clone(), baseline);
    }

    /// Takes a further look; none to compare after a reboot, whose new witness knows nothing of the old one.
    pub fn next(
        &mut self,
        look: &GuestLook,
        now: Result<T>,
        has_grown: impl Fn(&T, &T) -> bool,
    ) -> Option<Testimonies<T>> {
        let baseline = self.0.get_mut(&look.guest.name)?;
        let before = std::mem::replace(&mut baseline.said, now.clone());
        let same_boot = baseline.boot_id == look.seen.boot_id;
        baseline.boot_id.clone_from(&look.seen.boot_id);
        let must_grow = look.at.saturating_duration_since(baseline.grew) >= STALLED;
        if let (Ok(before), Ok(now)) = (&before, &now)
            && has_grown(before, now)
        {
            baseline.grew = look.at;
        }
        same_boot.then_some(Testimonies { before, now, must_grow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn after(begin: Instant, seconds: u64, boot_id: &str) -> GuestLook {
        GuestLook::in_a_test("vm1", boot_id, begin + Duration::from_secs(seconds))
    }

    fn grown(before: &u64, now: &u64) -> bool {
        now > before
    }

    #[test]
    fn it_must_grow_when_it_has_not_grown_for_long() {
        let begin = Instant::now();
        let mut witnessed = Witnessed::default();
        witnessed.start(&after(begin, 0, "a"), Ok(10));
        let must_grow = |witnessed: &mut Witnessed<u64>, seconds, said| {
            witnessed.next(&after(begin, seconds, "a"), Ok(said), grown).unwrap().must_grow
        };
        assert!(!must_grow(&mut witnessed, 1, 10), "it may not have come to it");
        assert!(must_grow(&mut witnessed, 5, 11), "it had five seconds");
        assert!(!must_grow(&mut witnessed, 9, 11), "it grew four seconds ago");
        assert!(must_grow(&mut witnessed, 10, 11), "it grew five seconds ago");
    }

    #[test]
    fn another_boot_is_not_compared_and_the_one_after_is_compared_with_it() {
        let begin = Instant::now();
        let mut witnessed = Witnessed::default();
        witnessed.start(&after(begin, 0, "a"), Ok(10));
        assert!(witnessed.next(&after(begin, 1, "b"), Ok(3), grown).is_none());
        assert_eq!(witnessed.next(&after(begin, 2, "b"), Ok(4), grown).unwrap().before, Ok(3));
    }

    #[test]
    fn a_guest_without_a_first_look_is_not_compared() {
        let mut witnessed = Witnessed::default();
        assert!(witnessed.next(&after(Instant::now(), 0, "a"), Ok(1), grown).is_none());
    }

    #[test]
    fn a_witness_that_did_not_answer_is_remembered_as_such() {
        let begin = Instant::now();
        let mut witnessed = Witnessed::default();
        witnessed.start(&after(begin, 0, "a"), Err(Failure::new("ask the witness", "no answer")));
        let both = witnessed.next(&after(begin, 1, "a"), Ok(1), grown).unwrap();
        assert!(both.before.is_err() && both.now == Ok(1));
    }
}
