//! A guest's boot: how it is started anew, and when it is up.

use std::time::{Duration, Instant};

use super::{Consoles, Guest};
use crate::failure::{Attempt, Result};
use crate::host::Hosts;
use crate::scenario::Side;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// Why nobody waits any longer for a guest whose QEMU has ended.
pub(super) const GONE: &str = "it does not run any more";

impl Guest {
    /// Powers the guest off hard and boots it again on the same host; returns the time of the boot.
    pub fn restart(&self, hosts: &Hosts, consoles: &Consoles) -> Result<Instant> {
        self.agent.forget();
        let host = hosts.get(self.side());
        let domain = self.known_on(host)?;
        let attempted = || format!("start {} anew on {}", self.name, host.entry.name);
        domain.destroy().attempting(attempted)?;
        consoles.begin_anew(self);
        self.forget_look();
        let started = Instant::now();
        domain.start().attempting(attempted)?;
        Ok(started)
    }

    /// Waits until the guest's sshd greets, which shows that the guest has booted, and returns that moment. A panicked
    /// kernel, or the end of its QEMU, ends the wait; `is_gone` tells of the latter.
    pub fn await_up(
        &self,
        limit: Duration,
        consoles: &Consoles,
        stop: &StopFlag,
        is_gone: impl Fn() -> bool,
    ) -> Result<Instant> {
        wait_for(&format!("{} to boot", self.name), limit, stop, || {
            match (consoles.panic_of(&self.name), self.greeting()) {
                (Some(panic), _) => Poll::Never(panic.to_string().into()),
                (None, Ok(())) => Poll::Ready(Instant::now()),
                (None, Err(_)) if is_gone() => Poll::Never(GONE.into()),
                (None, Err(error)) => Poll::again(error),
            }
        })
    }

    /// Whether neither host's QEMU runs the guest. What a host does not tell is no sign of that.
    pub fn runs_nowhere(&self, hosts: &Hosts) -> bool {
        let is_off = |side| hosts.get(side).control.active().is_ok_and(|active| !active.contains(&self.name));
        // Between the first two looks, it may have arrived where the first one did not see it.
        [Side::Source, Side::Target, Side::Source].into_iter().all(is_off)
    }
}
