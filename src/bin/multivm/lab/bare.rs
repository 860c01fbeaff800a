//! `multivm lab up` of hosts that a run prepares first: raises them without guests.

use multivm::stand::{Raised, Settings, Stand};

use super::arguments::UpArguments;
use super::raising;
use crate::problem::{Answer, Problem, settings};

pub fn up(new: fn(Settings) -> Box<dyn Stand<Hosts = Raised>>, arguments: &UpArguments) -> Answer {
    // Guests come with a run. What it would refuse is refused now.
    arguments.profile.read()?;
    let settings = settings()?;
    (arguments.kind.made().allow)(&settings).map_err(Problem::input)?;
    raising::up(new, arguments, settings, |session| {
        // No guests are started: that takes hosts that are prepared.
        session.prepare()?;
        session.raise(0)?;
        Ok(session.facts().map_or_else(String::new, |facts| format!(": {facts}")))
    })
}
