//! `multivm watch`: shows a running run on another terminal, from its record alone.

mod screen;
mod watched;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use multivm::failure::Attempt;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::problem::Answer;
use crate::which_run::WhichRun;
use screen::Screen;
use watched::{RunState, Watched};

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 the run went well (with --once also: it goes on), 1 it had failures, proved nothing, or was cut off, 2 bad input."
)]
pub struct Arguments {
    #[command(flatten)]
    run: WhichRun,
    /// Show the present state and end
    #[arg(long)]
    once: bool,
}

/// Time between two looks at the record.
const INTERVAL: Duration = Duration::from_millis(200);

/// How many looks without news end the watch after the writing process has gone: the process may just have written its last
/// lines, and a process in a container has another pid here.
const PATIENCE: u32 = 10;

pub fn run(arguments: &Arguments) -> Answer {
    let mut run = Watched::open(&arguments.run.find()?)?;
    if arguments.once { once(&mut run) } else { follow(run, Screen::begin()) }
}

fn once(run: &mut Watched) -> Answer {
    run.read_present()?;
    if run.state() == RunState::CutOff {
        // The process may have written the end between the two looks.
        run.read()?;
    }
    let state = run.state();
    let mut text = String::new();
    for failure in run.failures() {
        text.push_str(&format!("{failure}\n"));
    }
    for line in run.lines(screen::ENDLESS) {
        text.push_str(&format!("{}\n", line.text));
    }
    text.push_str(&run.conclusion(state));
    crate::say(&text)?;
    Ok(match state {
        RunState::Running => ExitCode::SUCCESS,
        RunState::Finished | RunState::CutOff => run.exit_code(state),
    })
}

/// Shows the run until its end, or until its reader has gone.
fn follow(mut run: Watched, mut screen: Screen) -> Answer {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .attempting(|| "listen for signals".into())?;
    }
    let mut news = if screen.is_terminal() { run.read_present()? } else { run.read()? };
    let mut quiet = 0;
    loop {
        let state = run.state();
        let over = state == RunState::Finished || (state == RunState::CutOff && quiet >= PATIENCE);
        let leaving = over || interrupted.load(Ordering::SeqCst);
        let there = if leaving { screen.end(&run, &news) } else { screen.show(&run, &news) };
        if !there {
            return Ok(ExitCode::SUCCESS);
        }
        if over {
            crate::say(&run.conclusion(state))?;
            return Ok(run.exit_code(state));
        }
        if leaving {
            return Ok(ExitCode::from(130));
        }
        thread::sleep(INTERVAL);
        news = run.read()?;
        quiet = if news.events > 0 { 0 } else { quiet + 1 };
    }
}
