//! The status of a run on its own terminal, below libtest's line of the present scenario.

use std::io::{self, IsTerminal};
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::Term;

use super::lines::{self, RunStatus};
use crate::progress::live::Live;
use crate::progress::{Earlier, ToCome};
use crate::record::{Event, ObserverGuard, Record, RunHeader};
use crate::sys::bounded;
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;
use crate::sys::watch::Watch;

/// The time between two drawings of a changed status.
const INTERVAL: Duration = Duration::from_millis(250);

/// The longest time for reading earlier runs.
const EARLIER_LIMIT: Duration = Duration::from_secs(600);

/// Draws the status of a run while it is shown. Dropping it ends the drawing.
pub struct LiveStatus {
    shared: Arc<SharedStatus>,
    _observation: ObserverGuard,
    /// The drawing thread, until the status is dropped.
    drawing: Option<Watch<()>>,
}

/// Removes the status from the terminal when it is dropped.
pub struct Shown<'a> {
    shared: &'a SharedStatus,
}

struct SharedStatus {
    record: Record,
    live: Mutex<Live>,
    /// The names of the run's scenarios, in the order of play.
    selected: Vec<String>,
    /// The earlier runs, as soon as they have been read.
    earlier: Mutex<Earlier>,
    colours: bool,
    shown: AtomicBool,
    /// Set when the run is cancelled. After that nothing is drawn: cargo has gone, and the terminal belongs to the shell
    /// again.
    stop: StopFlag,
}

impl LiveStatus {
    /// Begins to follow a run whose folder is in `results`. None if standard error is no terminal that can be drawn on, if
    /// nextest draws there, or in CI.
    pub fn begin(
        record: &Record,
        header: &RunHeader,
        selected: Vec<String>,
        results: &Path,
        stop: &StopFlag,
    ) -> Option<LiveStatus> {
        let variable = |name: &str| std::env::var(name).ok();
        if !(io::stderr().is_terminal() && wanted(variable)) {
            return None;
        }
        let mut live = Live::default();
        live.apply(&record.now(), &Event::RunStarted(header.clone()));
        let shared = Arc::new(SharedStatus {
            record: record.clone(),
            live: Mutex::new(live),
            selected,
            earlier: Mutex::default(),
            colours: terminal::colours(variable),
            shown: AtomicBool::new(false),
            stop: stop.clone(),
        });
        let observation = record.observe({
            let shared = Arc::clone(&shared);
            move |event| {
                let (now, lost) = (shared.record.now(), shared.record.lost());
                let mut live = locked(&shared.live);
                live.apply(&now, event);
                live.unwritten = lost.map_or(0, |lost| lost.count());
            }
        });
        let (results, run) = (results.to_owned(), header.run.clone());
        let drawing = Watch::start("status", {
            let shared = Arc::clone(&shared);
            move |stop| {
                // This thread reads it, because a slow disk takes a moment; one that hangs keeps nobody.
                let read = move || super::earlier(&results, &run);
                *locked(&shared.earlier) = bounded::answer(EARLIER_LIMIT, stop, read).unwrap_or_default();
                loop {
                    stop.pause(INTERVAL);
                    if stop.is_set() {
                        return;
                    }
                    shared.draw();
                }
            }
        })
        // A run goes on without its status.
        .ok()?;
        clear_before_panics();
        Some(LiveStatus { shared, _observation: observation, drawing: Some(drawing) })
    }

    /// Shows the status until the returned value is dropped. Meanwhile, only `terminal::say` may write to the terminal.
    pub fn show(&self) -> Shown<'_> {
        self.shared.shown.store(true, Ordering::SeqCst);
        Shown { shared: &self.shared }
    }
}

impl Drop for LiveStatus {
    fn drop(&mut self) {
        // Waits until it has drawn for the last time.
        let _ = self.drawing.take().map(Watch::stop);
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        let mut block = terminal::block();
        // Under the lock, so that a picture that is on its way is not drawn after this.
        self.shared.shown.store(false, Ordering::SeqCst);
        let _ = block.clear(&mut io::stderr().lock());
    }
}

impl SharedStatus {
    fn now_ms(&self) -> f64 {
        self.record.t_ms(Instant::now())
    }

    fn is_wanted(&self) -> bool {
        self.shown.load(Ordering::SeqCst) && !self.stop.is_set()
    }

    fn draw(&self) {
        if !self.is_wanted() {
            return;
        }
        let now_ms = self.now_ms();
        let size = terminal::usable(Term::stderr().size_checked());
        let lines = {
            let live = locked(&self.live);
            let left_s = super::seconds_left(&live, now_ms, &self.to_come(&live), &locked(&self.earlier));
            lines::status(&RunStatus { live: &live, now_ms, left_s }, size)
        };
        let lines = lines.iter().map(|line| line.paint(self.colours)).collect();
        let mut block = terminal::block();
        if self.is_wanted() {
            // A terminal that is gone must not end the run.
            let _ = block.draw(&mut io::stderr().lock(), lines);
        }
    }

    /// What comes after the scenario that is being played, or with it if it has not begun.
    fn to_come(&self, live: &Live) -> ToCome {
        let begun = live.run.results().count() + usize::from(live.run.playing().is_some());
        ToCome { names: self.selected.get(begun..).unwrap_or_default().to_vec(), unnamed: 0 }
    }
}

/// Whether somebody looks at the terminal, and it can be drawn on, as far as the environment tells.
fn wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    terminal::can_draw(&variable) && !set("CI") && !set("NEXTEST")
}

/// A panic's message goes to standard error, too.
fn clear_before_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        terminal::clear_in_panic();
        before(information);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::people(&[("TERM", "xterm")], true)]
    #[case::ci(&[("TERM", "xterm"), ("CI", "true")], false)]
    #[case::not_ci(&[("TERM", "xterm"), ("CI", "")], true)]
    #[case::nextest(&[("TERM", "xterm"), ("NEXTEST", "1")], false)]
    #[case::dumb(&[("TERM", "dumb")], false)]
    fn it_is_drawn_for_people(#[case] variables: &[(&str, &str)], #[case] expected: bool) {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(wanted(variable), expected);
    }
}
