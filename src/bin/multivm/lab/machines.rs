//! `multivm lab up --kind machines`: raises the machine hosts, and says how anybody reaches them.

use std::time::Instant;

use multivm::progress::terminal;
use multivm::stand::machines::{MachineHosts, Raised};
use multivm::stand::{Session, become_root, take_down_after};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use super::arguments::{UpArguments, stays};
use crate::problem::{Answer, Problem, settings};

pub fn up(arguments: &UpArguments) -> Answer {
    let settings = settings()?;
    MachineHosts::allow(&settings).map_err(Problem::input)?;
    let log = settings.store.cache.join("keeper.log");
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop, terminal::say)?;
    let begin = Instant::now();
    let mut session = Session::begin(Box::new(MachineHosts::new(settings)), stop)?;
    if let Some(raised) = session.hosts() {
        let text = format!("The machine hosts are up already.\n\n{}", reach(raised));
        if session.until().is_some() && arguments.until_exit.is_none() {
            // They were to go with another process, and this command asks for them without an end.
            session.keep()?;
        }
        return crate::say(&text);
    }
    if let Some(owner) = &arguments.until_exit {
        // The keeper starts before the machines rise, because it also clears the remains of a killed raise.
        take_down_after(owner, &log)?;
    }
    // No guests are started: that takes hosts that are prepared.
    let raised = session.prepare().and_then(|()| session.raise(0).cloned());
    let what = session.facts().unwrap_or_default();
    let raised = stays(session, raised, arguments.until_exit.as_ref())?;
    let took = begin.elapsed().as_secs_f64();
    crate::say(&format!("The machine hosts are up, after {took:.1} s: {what}.\n\n{}", reach(&raised)))
}

/// Instructions for reaching the machine hosts.
pub fn reach(raised: &Raised) -> String {
    let Raised { inventory, hosts, password } = raised;
    let hosts: String = hosts.iter().map(|(name, address)| format!("  {name:<12}  {address}\n")).collect();
    let address = raised.hosts.first().map(|(_, address)| address.as_str()).unwrap_or_default();
    let line = |command: &str, what: &str| format!("  {command:<30}  {what}\n");
    format!(
        "{hosts}  {:<12}  {}\n  {:<12}  {}\n\n  multivm doctor --inventory {1}\n{}{}",
        "inventory",
        inventory.display(),
        "password",
        password.display(),
        line(&format!("ssh root@{address}"), "a shell on a host"),
        line("multivm lab down", "take them down"),
    )
}
