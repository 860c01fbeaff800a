//! `multivm reap`: clears the remains of a killed run.

use multivm::stand::lab::Lab;
use multivm::stand::machines::Machines;
use multivm::stand::{Kind, Session, Stand, become_root, summary};
use multivm::sys::stop::StopFlag;

use crate::lab::held;
use crate::problem::{Answer, Problem, settings};

/// Clears what a killed run left on this machine, but no hosts that are up on purpose.
pub fn run() -> Answer {
    let settings = settings()?;
    match held()? {
        Kind::Lab => reap(Box::new(Lab::new(settings)), "The lab is"),
        Kind::Machines => reap(Box::new(Machines::new(settings)), "The machine hosts are"),
    }
}

/// What `subject` says of hosts that are up on purpose begins a sentence.
fn reap<H>(stand: Box<dyn Stand<Hosts = H>>, subject: &str) -> Answer {
    become_root()?;
    let session = Session::begin(stand, StopFlag::new())?;
    let text = if session.is_attached() {
        format!("{subject} up on purpose, and nothing else is left: `multivm lab down` takes it down.\n")
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
