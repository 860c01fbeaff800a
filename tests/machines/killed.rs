//! Runs on machine hosts whose controller dies. Another machine puts the hosts back, which has neither the run's ledger nor its
//! keys.

use std::process::Command;
use std::time::Duration;

use libtest_mimic::{Completion, Failed};
use multivm::plan::{SEED_VARIABLE, Seed};
use multivm::sys::random::Random;
use nix::sys::signal::Signal;

use super::{ANSWER_LIMIT, Raised, expect, start};

/// Within this time after its begin a run is killed: it looks at the hosts, prepares them, boots a guest, moves it.
const MOMENTS: Duration = Duration::from_secs(200);

/// Within the first time after its begin a run is interrupted that is killed while it puts the hosts back, within the second one
/// after that.
const INTERRUPTED: Duration = Duration::from_secs(100);
const UNDO: Duration = Duration::from_secs(40);

/// The variable for the number of runs that are killed.
const KILLS_VARIABLE: &str = "MULTIVM_KILLS";
const KILLS: usize = 20;

pub fn at_random_moments() -> Result<Completion, Failed> {
    let seed = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(Seed::chosen);
    eprintln!("machines: {SEED_VARIABLE}={seed} kills at the same moments again");
    let kills = match std::env::var(KILLS_VARIABLE) {
        Ok(text) => text.parse().map_err(|_| format!("{KILLS_VARIABLE}={text} is no number"))?,
        Err(_) => KILLS,
    };
    let mut draw = Random(seed.0);
    let mut part = |of: Duration| of.mul_f64(draw.below(1000) as f64 / 1000.0);
    let hosts = Raised::up()?;
    for number in 1..=kills {
        let mut run = start(&hosts.inventory)?;
        // Every second one while it puts the hosts back.
        let (what, moment) = if number % 2 == 0 {
            let interrupted = part(INTERRUPTED);
            run.until(interrupted, |_| false);
            run.signal(Signal::SIGINT)?;
            (format!("Ctrl-C after {:.1} s, and kill -9", interrupted.as_secs_f64()), part(UNDO))
        } else {
            ("kill -9".to_owned(), part(MOMENTS))
        };
        let (status, _) = run.signalled(Signal::SIGKILL, moment, ANSWER_LIMIT)?;
        let elsewhere = tempfile::tempdir()?;
        let said = hosts.multivm(&["reap", "--take-over", "--inventory"], Some(elsewhere.path()))?;
        eprintln!(
            "machines: {number}: {what} after {:.1} s ({status}); {}",
            moment.as_secs_f64(),
            said.trim_end().replace('\n', "; ")
        );
        hosts.are_as_before()?;
        // What this machine's ledger has of it is gone already.
        let own = Command::new(env!("CARGO_BIN_EXE_multivm")).arg("reap").output()?;
        expect(own.status.success(), &format!("multivm reap: {}", String::from_utf8_lossy(&own.stderr)))?;
    }
    hosts.down()?;
    Ok(Completion::Completed)
}
