//! `multivm lab up` of hosts that a run prepares first: raises them without guests, and says how anybody reaches them.

use std::time::Instant;

use multivm::progress::terminal;
use multivm::stand::lab::Settings;
use multivm::stand::{Raised, Session, Stand, become_root, take_down_after};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use super::arguments::{UpArguments, stays};
use crate::problem::{Answer, Problem, settings};

pub fn up(new: fn(Settings) -> Box<dyn Stand<Hosts = Raised>>, arguments: &UpArguments) -> Answer {
    let (hosts, made) = (arguments.kind.row(), arguments.kind.made());
    // Guests come with a run. What it would refuse is refused now.
    arguments.profile.read()?;
    let settings = settings()?;
    (made.allow)(&settings).map_err(Problem::input)?;
    let log = settings.store.cache.join("keeper.log");
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop, terminal::say)?;
    let begin = Instant::now();
    let mut session = Session::begin(new(settings), stop)?;
    if session.is_attached() {
        let text = format!("{} up already.\n\n{}", hosts.they_are, (made.reach)()?);
        if session.until().is_some() && arguments.until_exit.is_none() {
            // They were to go with another process, and this command asks for them without an end.
            session.keep()?;
        }
        return crate::say(&text);
    }
    if let Some(owner) = &arguments.until_exit {
        // The keeper starts before the hosts rise, because it also clears the remains of a killed raise.
        take_down_after(owner, &log)?;
    }
    // No guests are started: that takes hosts that are prepared.
    let raised = session.prepare().and_then(|()| session.raise(0).map(drop));
    let what = session.facts().unwrap_or_default();
    stays(session, raised, arguments.until_exit.as_ref())?;
    let took = begin.elapsed().as_secs_f64();
    crate::say(&format!("{} up, after {took:.1} s: {what}.\n\n{}", hosts.they_are, (made.reach)()?))
}
