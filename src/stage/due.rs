//! The deadline of one scenario, which whoever plays it sets part by part, and whoever attends it reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::sys::parallel::locked;

/// The deadline of what one scenario is at. A scenario that was abandoned may go on, and must touch nothing that is the next one's.
#[derive(Default)]
pub struct Due {
    part: Mutex<Option<TimedPart>>,
    abandoned: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
struct TimedPart {
    what: &'static str,
    at: Instant,
}

impl Due {
    /// Does a part of the scenario, which should end within `limit`.
    pub fn within<T>(&self, what: &'static str, limit: Duration, work: impl FnOnce() -> T) -> T {
        *locked(&self.part) = Some(TimedPart { what, at: Instant::now() + limit });
        let done = work();
        *locked(&self.part) = None;
        done
    }

    /// When the part under way should have ended; none between two parts.
    pub fn at(&self) -> Option<Instant> {
        (*locked(&self.part)).map(|part| part.at)
    }

    /// The part under way; none between two parts.
    pub fn what(&self) -> Option<&'static str> {
        (*locked(&self.part)).map(|part| part.what)
    }

    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }

    /// Set when the scenario is abandoned.
    pub fn abandoned(&self) -> &Arc<AtomicBool> {
        &self.abandoned
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_deadline_for_as_long_as_it_goes_on() {
        let due = Due::default();
        let begin = Instant::now();
        let seen = due.within("it", Duration::from_secs(60), || (due.what(), due.at()));
        assert_eq!(seen.0, Some("it"));
        assert!(seen.1.unwrap() >= begin + Duration::from_secs(60));
        assert_eq!((due.what(), due.at()), (None, None));
    }
}
