//! Starts guests a few at a time, as many as the host's CPUs can boot: each guest that answers makes room for the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::{ANSWER_LIMIT, Fleet, all, whole};
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::guest::boot::GONE;
use crate::guest::news::GuestNews;
use crate::guest::{Guest, domain};
use crate::scenario::Side;
use crate::sys::parallel::few_at_once;
use crate::sys::wait::{Poll, wait_for};

/// How many lines of its console the failure of a silent guest shows.
const CONSOLE_LINES: u32 = 15;

impl Fleet {
    /// Defines guests on the source, starts them, and waits until all of them answer. Meanwhile it opens the connections
    /// for their migrations.
    pub(super) fn start_guests(&self, guests: &[Arc<Guest>]) -> Result<()> {
        thread::scope(|scope| {
            let connecting = thread::Builder::new()
                .name("connect for guests".to_owned())
                .spawn_scoped(scope, || {
                    all(self.by_login("connect for a guest", guests, |guest| self.connect(guest)))
                })
                .attempting(|| "start a thread that connects".into())?;
            let started = self.start_few_at_once(guests);
            let panicked = |_| Err(Failure::new("connect for guests", "it panicked"));
            started.and(connecting.join().unwrap_or_else(panicked))
        })
    }

    fn connect(&self, guest: &Guest) -> Result<()> {
        [Side::Source, Side::Target]
            .into_iter()
            .try_for_each(|side| guest.connection(&self.hosts, side, &self.stop).map(drop))
    }

    fn start_few_at_once(&self, guests: &[Arc<Guest>]) -> Result<()> {
        let (failed, answering) = (AtomicBool::new(false), AtomicUsize::new(0));
        let stop = || {
            let other = || Cause::new(FailureKind::Other, "another guest could not be started");
            if self.stop.is_set() {
                Some(Cause::interrupted())
            } else {
                failed.load(Ordering::SeqCst).then(other)
            }
        };
        let wave = self.asked.wave(self.cpu_percent());
        all(few_at_once(wave as usize, "start a guest", guests, stop, |guest| {
            let started = self.start_guest(guest);
            match &started {
                Ok(()) => {
                    let answering = answering.fetch_add(1, Ordering::SeqCst) + 1;
                    (self.news)(GuestNews::Answering { answering, of: guests.len() });
                }
                Err(_) => failed.store(true, Ordering::SeqCst),
            }
            started
        }))
    }

    /// Starts a guest, and starts it once more if its QEMU ends, or if its kernel panics during the boot, as kernels now
    /// and then do that wait for a busy host's CPU.
    fn start_guest(&self, guest: &Guest) -> Result<()> {
        self.boot(guest)?;
        let first = self.await_guest(guest);
        let is_over = first.as_ref().is_err_and(|failure| failure.kind() == FailureKind::Cancelled);
        let lost = (first.is_err() && !is_over).then(|| self.lost(guest)).flatten();
        let Some(why) = lost else { return first };
        (self.news)(GuestNews::StartedAgain { guest, why: &why });
        self.remove(guest)?;
        self.boot(guest)?;
        self.await_guest(guest).map_err(|failure| {
            failure.and(format!("\nit was started a second time, after a start of which is known: {why}"))
        })
    }

    /// Why a guest that does not answer never will; none if it may.
    fn lost(&self, guest: &Guest) -> Option<String> {
        let panic = self.consoles.panic_of(&guest.name).map(|panic| panic.to_string());
        panic.or_else(|| guest.runs_nowhere(&self.hosts).then(|| GONE.to_owned()))
    }

    fn boot(&self, guest: &Guest) -> Result<()> {
        let host = &self.hosts.source;
        let domain = self.define(guest, host)?;
        self.consoles.begin_anew(guest);
        self.booted.store(true, Ordering::SeqCst);
        domain.start().attempting(|| format!("start {} on {}", guest.name, host.entry.name))
    }

    fn await_guest(&self, guest: &Guest) -> Result<()> {
        let limit = self.asked.start_limit(self.cpu_percent());
        let begin = Instant::now();
        let is_whole_system = self.is_whole_system(guest)?;
        let booted = wait_for(&format!("{} to answer by ssh", guest.name), limit, &self.stop, || {
            (self.news)(GuestNews::Waiting { guest, waited: begin.elapsed() });
            // A greeting is cheaper than a login: a host that is busy booting should not try to log in where nobody
            // answers.
            let greeting = guest.greeting();
            if let Some(panic) = self.consoles.panic_of(&guest.name) {
                return Poll::Never(panic.to_string().into());
            }
            if let Err(error) = greeting {
                return if guest.runs_nowhere(&self.hosts) {
                    Poll::Never(GONE.into())
                } else {
                    Poll::again(error)
                };
            }
            // Our program finds no place in a guest without room, and would only be said to be missing.
            let errors = match is_whole_system.then(|| whole::first_boot(guest)) {
                None => Vec::new(),
                Some(Ok(Some(errors))) => errors,
                Some(Ok(None)) => return Poll::NotYet("cloud-init is still at work in it".into()),
                Some(Err(failure)) => return Poll::again(failure.cause),
            };
            if is_whole_system && let Err(failure) = whole::has_room(guest) {
                return match failure.kind() {
                    FailureKind::Missing => Poll::Ready(Err(failure)),
                    _ => Poll::again(failure.cause),
                };
            }
            match guest.agent.observe(ANSWER_LIMIT) {
                Ok(_) => Poll::Ready(Ok(errors)),
                Err(failure) => Poll::again(failure.cause),
            }
        });
        let errors = booted.map_err(|failure| self.with_console(guest, failure))??;
        if !errors.is_empty() {
            (self.news)(GuestNews::FirstBoot { guest, errors: &errors });
        }
        if is_whole_system { whole::has_programs(guest) } else { Ok(()) }
    }

    fn with_console(&self, guest: &Guest, failure: Failure) -> Failure {
        if failure.kind() == FailureKind::Cancelled {
            return failure;
        }
        let host = &self.hosts.source;
        let path = domain::console_path(&guest.name);
        let console = host
            .remote
            .check(&format!("tail -n {CONSOLE_LINES} {path}"), ANSWER_LIMIT)
            .unwrap_or_else(|failure| failure.to_string());
        let advice = match &guest.member.image {
            Some(image) if self.is_whole_system(guest).unwrap_or(false) => format!(
                "if its console asks for a login, cloud-init is not in the image {image}, has run there before, or had no room on its disk"
            ),
            _ => "did its kernel die, or is the network between here and it down?".to_owned(),
        };
        failure
            .and(format!("\nits console, {path} on {}, ends:\n{console}", host.entry.name))
            .try_next(advice)
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::guest::fleet::testing::{OTHER, TestFleet};

    /// Nobody answers at the address of a guest of libvirt's test driver.
    #[test]
    fn after_a_guest_that_does_not_answer_no_other_is_started() {
        let fleet = TestFleet::new();
        assert_eq!(fleet.asked.wave(fleet.cpu_percent()), 2, "the third waits for one of the others");
        let failure = fleet.start_guests(&fleet.guests).unwrap_err().to_string();
        assert!(failure.starts_with("cannot wait for vm1 to answer by ssh: not within "), "{failure}");
        assert!(
            failure.contains("its console, /var/log/libvirt/qemu/vm1-console.log on source, "),
            "{failure}"
        );
        // On a busy machine the first may have failed before the second could start with it.
        let names = fleet.names(Side::Source);
        assert!(names == ["vm1"] || names == ["vm1", "vm2"], "{names:?}");
    }

    #[test]
    fn a_guest_is_not_defined_over_a_domain_of_its_name() {
        let fleet = TestFleet::new();
        let other = fleet.put_running(Side::Source, "vm1", OTHER);
        let failure = fleet.start_guests(from_ref(fleet.guest(1))).unwrap_err().to_string();
        assert!(failure.starts_with("cannot define vm1 on source: "), "{failure}");
        let found = fleet.hosts.source.control.domain("vm1").unwrap().unwrap();
        assert_eq!((found.uuid(), found.mark().unwrap()), (other.uuid(), Some(other.owner().clone())));
    }

    #[test]
    fn after_an_interruption_no_guest_is_started() {
        let fleet = TestFleet::new();
        fleet.stop_flag().set();
        let failure = fleet.start_guests(&fleet.guests).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Cancelled, "{failure}");
        assert_eq!(fleet.names(Side::Source), [""; 0]);
    }
}
