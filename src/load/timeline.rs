//! The timeline of one machine's loads through a scenario: a thread looks at them again and again, and checks judge a move
//! by the window of looks around it.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::stress::last_words;
use super::{LoadLook, Place, RunningTool, Sample};
use crate::failure::{Attempt, Failure, Result};
use crate::sys::parallel::locked;

/// The time between two looks, unless somebody wants one at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// The loads of a machine, and all looks at them so far.
pub struct Timeline {
    pub place: Place,
    pub loads: Vec<RunningTool>,
    looks: Mutex<Vec<LoadLook>>,
    wake: Mutex<Wake>,
    changed: Condvar,
}

#[derive(Default)]
struct Wake {
    /// How many immediate looks somebody has wanted so far.
    wanted: u64,
    over: bool,
}

/// The looks that judge a move: the last one of the window before, taken before the move began; those during the move; and
/// the first that was asked for after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub first: usize,
    pub last: usize,
}

impl Window {
    /// The window of a move that ended at that moment, from the look `first` on; none before a later look has been asked
    /// for.
    pub fn closing(looks: &[LoadLook], first: usize, ended: Instant) -> Option<Window> {
        let after = looks.iter().enumerate().skip(first + 1).find(|(_, look)| look.asked >= ended);
        after.map(|(last, _)| Window { first, last })
    }

    /// The window up to the last look, when no further look will come; none without a look after `first`.
    pub fn cut_short(looks: &[LoadLook], first: usize) -> Option<Window> {
        let last = looks.len().checked_sub(1)?;
        (last > first).then_some(Window { first, last })
    }

    pub fn of(self, looks: &[LoadLook]) -> &[LoadLook] {
        &looks[self.first..=self.last]
    }

    /// The looks before the window, from the last one that is at least so long before it.
    pub fn before(self, looks: &[LoadLook], long: Duration) -> &[LoadLook] {
        let earlier = &looks[..self.first];
        let begin = looks[self.first].at;
        let from = earlier.iter().rposition(|look| begin.saturating_duration_since(look.at) >= long);
        &earlier[from.unwrap_or(0)..]
    }
}

impl Timeline {
    /// A timeline of working loads, with a first look at them.
    pub fn new(place: Place, loads: Vec<RunningTool>, first: LoadLook) -> Timeline {
        Timeline {
            place,
            loads,
            looks: Mutex::new(vec![first]),
            wake: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Starts a thread that looks until [`Timeline::end`]. A look that hangs delays only this thread.
    pub fn watch(
        self: &Arc<Self>,
        look: impl Fn(&Timeline) -> Result<Vec<Sample>> + Send + 'static,
    ) -> Result<()> {
        let timeline = Arc::clone(self);
        thread::Builder::new()
            .name("load-watch".into())
            .spawn(move || timeline.look_until_over(look))
            .map(drop)
            .attempting(|| "start the thread that looks at loads".into())
    }

    fn look_until_over(&self, look: impl Fn(&Timeline) -> Result<Vec<Sample>>) {
        let mut seen = 0;
        loop {
            let wake = locked(&self.wake);
            let waited = self
                .changed
                .wait_timeout_while(wake, INTERVAL, |wake| wake.wanted == seen && !wake.over)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if waited.0.over {
                return;
            }
            seen = waited.0.wanted;
            drop(waited);
            let asked = Instant::now();
            let samples = look(self);
            let look = LoadLook { asked, at: Instant::now(), samples };
            // A load that ended during the look was ended on purpose.
            if !locked(&self.wake).over {
                locked(&self.looks).push(look);
            }
        }
    }

    /// Asks for an immediate look, whose question is sent after this call.
    pub fn look_now(&self) {
        locked(&self.wake).wanted += 1;
        self.changed.notify_all();
    }

    /// Ends the looks.
    pub fn end(&self) {
        locked(&self.wake).over = true;
        self.changed.notify_all();
    }

    /// Reads the looks so far.
    pub fn read<T>(&self, read: impl FnOnce(&[LoadLook]) -> T) -> T {
        read(&locked(&self.looks))
    }

    /// The last output of the tools on this machine.
    pub fn last_words(&self) -> String {
        last_words(&self.place)
    }
}

/// The samples of one load in these looks; the first failure if a look has no answer.
pub fn samples_of(looks: &[LoadLook], load: usize) -> Result<Vec<&Sample>> {
    let mut found = Vec::with_capacity(looks.len());
    for look in looks {
        let samples = look.samples.as_ref().map_err(Clone::clone)?;
        let missing = || Failure::new("look at a load", "it has no sample");
        found.push(samples.get(load).ok_or_else(missing)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::load::ToolCommand;
    use crate::scenario::Signs;

    fn looks(begin: Instant, asked_ms: &[u64]) -> Vec<LoadLook> {
        let at = |ms: u64| begin + Duration::from_millis(ms);
        asked_ms
            .iter()
            .map(|ms| LoadLook { asked: at(*ms), at: at(ms + 40), samples: Ok(Vec::new()) })
            .collect()
    }

    #[rstest]
    #[case::closed(&[0, 100, 1100, 2050, 3050], 2000, Some((0, 3)))]
    #[case::at_the_very_end(&[0, 2000], 2000, Some((0, 1)))]
    #[case::asked_before_the_end_answered_after(&[0, 1990], 2000, None)]
    #[case::only_the_first(&[0], 2000, None)]
    fn a_window_closes_with_a_look_that_was_asked_for_after_the_move(
        #[case] asked_ms: &[u64],
        #[case] ended_ms: u64,
        #[case] window: Option<(usize, usize)>,
    ) {
        let begin = Instant::now();
        let found = Window::closing(&looks(begin, asked_ms), 0, begin + Duration::from_millis(ended_ms));
        assert_eq!(found.map(|window| (window.first, window.last)), window);
    }

    #[test]
    fn windows_share_the_look_between_two_moves_so_that_nothing_is_between_them() {
        let begin = Instant::now();
        let looks = looks(begin, &[0, 500, 1000, 1500]);
        let ended = |ms| begin + Duration::from_millis(ms);
        let one = Window::closing(&looks, 0, ended(400)).unwrap();
        let other = Window::closing(&looks, one.last, ended(1200)).unwrap();
        assert_eq!((one.last, other.first, other.last), (1, 1, 3));
        assert_eq!(other.of(&looks).len(), 3);
    }

    #[test]
    fn before_a_window_is_what_is_needed_to_see_that_far_back() {
        let begin = Instant::now();
        let looks = looks(begin, &[0, 1000, 2000, 3000, 4000]);
        let window = Window { first: 3, last: 4 };
        let before = |ms| window.before(&looks, Duration::from_millis(ms)).len();
        assert_eq!((before(500), before(1000), before(1500), before(9000)), (1, 1, 2, 3));
        assert!(Window { first: 0, last: 1 }.before(&looks, Duration::ZERO).is_empty());
    }

    /// The look by which a window begins is no look after the move, however short the move was.
    #[test]
    fn the_first_look_of_a_window_does_not_close_it() {
        let begin = Instant::now();
        assert_eq!(Window::closing(&looks(begin, &[100]), 0, begin), None);
    }

    #[test]
    fn a_window_that_cannot_close_has_what_there_is() {
        let begin = Instant::now();
        let looks = looks(begin, &[0, 500]);
        assert_eq!(Window::cut_short(&looks, 0), Some(Window { first: 0, last: 1 }));
        assert_eq!(Window::cut_short(&looks, 1), None);
    }

    fn timeline() -> Arc<Timeline> {
        let words = ["stress", "--cpu", "1"].map(str::to_owned).into();
        let load = RunningTool::new(&ToolCommand { words, signs: Signs::default(), basis: None }, 70);
        let now = Instant::now();
        let first = LoadLook { asked: now, at: now, samples: Ok(Vec::new()) };
        Arc::new(Timeline::new(
            Place::Guest(Arc::new(crate::guest::Guest::in_a_test("vm1"))),
            vec![load],
            first,
        ))
    }

    #[test]
    fn a_look_that_is_wanted_is_asked_for_after_that_and_none_after_the_end() {
        let timeline = timeline();
        let (looked, seen) = std::sync::mpsc::channel();
        timeline
            .watch(move |_| {
                let _ = looked.send(Instant::now());
                Ok(Vec::new())
            })
            .unwrap();
        let wanted = Instant::now();
        timeline.look_now();
        assert!(seen.recv_timeout(Duration::from_secs(60)).unwrap() >= wanted);
        while timeline.read(|looks| Window::closing(looks, 0, wanted)).is_none() {
            std::thread::yield_now();
        }
        timeline.end();
        // The thread ends and drops its side.
        while seen.recv_timeout(Duration::from_secs(60)).is_ok() {}
    }

    #[test]
    fn a_look_without_an_answer_is_said() {
        let now = Instant::now();
        let failed = LoadLook { asked: now, at: now, samples: Err(Failure::new("look", "no answer")) };
        assert!(samples_of(&[failed], 0).unwrap_err().to_string().contains("no answer"));
        assert!(samples_of(&looks(now, &[0]), 0).is_err());
        assert!(samples_of(&[], 0).unwrap().is_empty());
    }
}
