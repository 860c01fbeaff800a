//! `multivm reap`: clears the remains of a killed run.

use multivm::stand::lab::Lab;
use multivm::stand::{Session, become_root, summary};
use multivm::sys::stop::StopFlag;

use crate::problem::{Answer, Problem, settings};

/// Clears what a killed run left on this machine, but no lab that is up on purpose.
pub fn run() -> Answer {
    let settings = settings()?;
    become_root()?;
    let session = Session::begin(Box::new(Lab::new(settings)), StopFlag::new())?;
    let text = if session.is_attached() {
        "The lab is up on purpose, and nothing else is left: `multivm lab down` takes it down.\n".to_owned()
    } else if session.cleared().is_empty() {
        "Nothing is left of earlier runs.\n".to_owned()
    } else {
        format!("Cleared: {}.\n", summary(session.cleared()))
    };
    let failures = session.end();
    if !failures.is_empty() {
        return Err(Problem::Failed(failures));
    }
    crate::say(&text)
}
