//! Ctrl-C, SIGTERM and the death of the parent process: each cancels the run, which then cleans up in order.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::getppid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Attempt, Result};
use crate::sys::stop::StopFlag;
use crate::sys::terminal;

/// A second Ctrl-C counts as impatience only this long after the first: under some runners one Ctrl-C arrives twice.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// How often the parent is checked.
const PARENT_INTERVAL: Duration = Duration::from_millis(500);

/// The moment of the interruption.
static AT: OnceLock<Instant> = OnceLock::new();

/// When a signal told this process to end; none without one.
pub fn at() -> Option<Instant> {
    AT.get().copied()
}

fn interrupt(stop: &StopFlag) {
    AT.get_or_init(Instant::now);
    stop.set();
}

/// Starts the threads that set the stop flag on signals. They announce what becomes of the run.
pub fn stop_on_signals(stop: &StopFlag) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).attempting(|| "listen for signals".into())?;
    let token = stop.clone();
    spawn("signals", move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            match first {
                None => {
                    // The flag comes before the announcement: from then on nothing draws on the terminal.
                    interrupt(&token);
                    terminal::say(
                        "\nmultivm: interrupted; aborting migrations and cleaning up, do not close",
                    );
                    first = Some(Instant::now());
                }
                Some(first) if signal == SIGINT && first.elapsed() > IMPATIENCE => {
                    terminal::say("multivm: leaving now; the next run, or `multivm reap`, cleans up");
                    std::process::exit(130);
                }
                Some(_) => {}
            }
        }
    })?;
    let token = stop.clone();
    let parent = getppid();
    spawn("parent", move || {
        while !token.is_set() {
            // A killed cargo leaves this process behind, which would otherwise go on for hours.
            if getppid() != parent {
                interrupt(&token);
                terminal::say("multivm: the process that started this run is gone; cleaning up");
            }
            token.pause(PARENT_INTERVAL);
        }
    })
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map(drop)
        .attempting(|| format!("start the thread that watches {name}"))
}
