//! What `multivm lab up` does with hosts of every kind: it takes their session, raises them unless they are up, and says how they are
//! reached.

use std::time::Instant;

use multivm::failure::Result;
use multivm::stand::{Session, Settings, Stand, become_root, take_down_after};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use super::arguments::{UpArguments, stays};
use crate::problem::Answer;

/// Raises hosts of which `new` makes a stand, as `raise` does it, which returns what the last line says of them.
pub fn up<H>(
    new: fn(Settings) -> Box<dyn Stand<Hosts = H>>,
    arguments: &UpArguments,
    settings: Settings,
    raise: impl FnOnce(&mut Session<H>) -> Result<String>,
) -> Answer {
    let (hosts, made) = (arguments.kind.row(), arguments.kind.made());
    let log = settings.store.cache.join("keeper.log");
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop)?;
    let begin = Instant::now();
    let mut session = Session::begin(new(settings), stop)?;
    if session.is_attached() {
        let reach = (made.reach)()?;
        let up = format!("{} up already", hosts.they_are);
        let text = match (session.until(), &arguments.until_exit) {
            // The hosts were to go with another process, and this command asks for them without an end.
            (Some(_), None) => {
                session.keep()?;
                format!("{up}, and stays up now.\n\n{reach}")
            }
            (Some(until), Some(_)) => format!("{up}, until {until} ends.\n\n{reach}"),
            (None, Some(_)) => format!("{up}, and stays up: `multivm lab down`.\n\n{reach}"),
            (None, None) => format!("{up}.\n\n{reach}"),
        };
        return crate::say(&text);
    }
    if let Some(owner) = &arguments.until_exit {
        // The keeper starts before the hosts rise, because it also clears the remains of a killed raise.
        take_down_after(owner, &log)?;
    }
    let mut what = String::new();
    let raised = raise(&mut session).map(|facts| what = facts);
    stays(session, raised, arguments.until_exit.as_ref())?;
    let took = begin.elapsed().as_secs_f64();
    crate::say(&format!("{} up, after {took:.1} s{what}.\n\n{}", hosts.they_are, (made.reach)()?))
}
