//! Restarts daemons of the lab's hosts: a host's init knows which of them have ended, and restarts them on SIGHUP.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::hosts::await_hosts;
use super::init::{self, MENDED};
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::inventory::Inventory;
use crate::ledger::{Ledger, Thing};
use crate::stand::Ground;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long an init may take to start its daemons, without waiting for their answers.
const LIMIT: Duration = Duration::from_secs(10);

/// Restarts every daemon that has ended, and returns each as "libvirtd of source".
pub fn mend(inventory: &Inventory, lab: &Path, ground: Ground<'_>) -> Result<Vec<String>> {
    let mut started = Vec::new();
    for host in [&inventory.storage.name, &inventory.source.name, &inventory.target.name] {
        let daemons = mend_host(host, lab, ground.ledger, ground.stop)?;
        started.extend(daemons.into_iter().map(|daemon| format!("{daemon} of {host}")));
    }
    if !started.is_empty() {
        await_hosts(inventory, lab, ground.stop)?;
    }
    Ok(started)
}

fn mend_host(host: &str, lab: &Path, ledger: &Ledger, stop: &StopFlag) -> Result<Vec<String>> {
    let attempted = || format!("start the daemons of {host} again that have ended");
    let init = init_of(host, &ledger.outstanding()).ok_or_else(|| {
        let cause =
            Cause::new(FailureKind::Missing, "its init has ended, and everything in the host with it");
        Failure::new(attempted(), cause)
    })?;
    let log = init::log(lab, host);
    let read = || fs::read_to_string(&log).attempting(|| format!("read {}", log.display()));
    let before = read()?.len();
    kill(Pid::from_raw(init), Signal::SIGHUP).attempting(attempted)?;
    wait_for(&format!("the init of {host} to start its daemons"), LIMIT, stop, || match read() {
        Ok(text) => match text.get(before..).and_then(answer) {
            Some(daemons) => Poll::Ready(daemons),
            None => Poll::NotYet("it has not answered".into()),
        },
        Err(failure) => Poll::Never(failure.cause),
    })
}

/// The pid of a host's init, if it is alive.
fn init_of(host: &str, things: &[Thing]) -> Option<i32> {
    let title = init::title(host);
    things.iter().find_map(|thing| match thing {
        Thing::Process { pid, what, .. } if *what == title && thing.is_there() => Some(*pid),
        _ => None,
    })
}

/// The daemons in an init's answer, as soon as its line is complete.
fn answer(log: &str) -> Option<Vec<String>> {
    let (lines, _) = log.rsplit_once('\n')?;
    let names = lines.lines().find_map(|line| line.strip_prefix(MENDED))?;
    Some(names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_whole_line() {
        assert_eq!(answer("libvirtd ended: Signaled\nstarted again: libv"), None);
        assert_eq!(answer("started again: \n"), Some(Vec::new()));
        let all = answer("Exited\nstarted again: rpcbind, ganesha.nfsd\n").unwrap();
        assert_eq!(all, ["rpcbind", "ganesha.nfsd"]);
    }

    #[test]
    fn an_init_is_found_while_it_lives() {
        let me = Thing::process(std::process::id() as i32, &init::title("source")).unwrap();
        let Thing::Process { pid, start, what } = me.clone() else { unreachable!("it is a process") };
        let gone = Thing::Process { pid, start: start + 1, what };
        assert_eq!(init_of("source", &[gone.clone(), me.clone()]), Some(pid));
        assert_eq!(init_of("source", &[gone]), None);
        assert_eq!(init_of("target", &[me]), None);
    }
}
