//! The end of a case: last looks at every guest while the load ends, the answers of everything that watched, and a check of
//! the images while logs are collected.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use super::prepare::Watches;
use super::{Case, Ended, LOOK_ROUND};
use crate::check::{CheckedImage, Close, End, GuestPace, HostsLook, LegDowntime};
use crate::failure::{Attempt, Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::host::{AddedLog, ImageCheck};
use crate::load::ActiveLoad;
use crate::play::activity::Activity;
use crate::play::downtime::{self, Neighbours, SeenGuest};
use crate::play::evidence::{self, EvidenceFolder};
use crate::play::lookout::{CaseEvent, Look};
use crate::play::machines::Machines;
use crate::probe::{ProbeStream, Summary};
use crate::sys::halt::ran_since;
use crate::sys::parallel::at_once;

/// How long the last look at all guests takes, about: 0.4 to 0.7 s of three guests under load on two CPUs.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// The pause between two questions whether a check has its evidence.
const GLANCE: Duration = Duration::from_millis(5);

impl<'env> Case<'_, '_, 'env, '_, Fleet> {
    pub(super) fn finish(mut self, watches: Watches) -> Ended {
        self.unload();
        self.journal.wait(Activity::Proving, "what was watched");
        let probes = watches.probes.and_then(ProbeStream::stop);
        let downtimes = probes.as_ref().map(|probes| self.downtimes(probes)).unwrap_or_default();
        let paces = self.paces();
        let end = End {
            paces: &paces,
            probes: probes.as_deref(),
            downtimes: &downtimes,
            answering: &self.answering(),
            interrupted: self.machines.stop_flag().is_set(),
        };
        self.panel.ask(self.journal, |check| check.at_end(&end));
        drop(watches.cpu);
        let logs = self.check_images_and_collect();
        Ended { result: self.failure.map_or(Ok(()), Err), logs, legs: self.log.into_reports() }
    }

    /// The guests that answered the last look.
    fn answering(&self) -> BTreeMap<String, Arc<Guest>> {
        let silent = self.journal.silent_guests();
        let answering = |(number, guest): &(usize, &Arc<Guest>)| {
            self.log.is_known(*number) && !silent.contains(&guest.name)
        };
        let guests = self.machines.guests.iter().enumerate().filter(answering);
        guests.map(|(_, guest)| (guest.name.clone(), Arc::clone(guest))).collect()
    }

    /// How fast each guest was.
    fn paces(&self) -> Vec<GuestPace> {
        let guests = self.machines.guests.iter().enumerate();
        guests.filter_map(|(number, guest)| self.clocks.get(&number)?.pace(&guest.name)).collect()
    }

    /// Writes what the probes saw, and the downtime of every move.
    fn downtimes(&mut self, probes: &[Summary]) -> Vec<LegDowntime> {
        let mut downtimes = Vec::new();
        for summary in probes {
            self.journal.probe(summary);
            let number = self.machines.guests.iter().position(|guest| guest.name == summary.guest);
            downtimes.extend(number.map(|number| self.downtimes_of(number, summary)).unwrap_or_default());
        }
        for downtime in &downtimes {
            self.journal.downtime(downtime);
        }
        downtimes
    }

    fn downtimes_of(&self, number: usize, probes: &Summary) -> Vec<LegDowntime> {
        let own = self.clocks.get(&number).filter(|clock| clock.is_known());
        if let Some(own) = own {
            self.journal.guest_speed(&probes.guest, &own.speeds);
        }
        let legs = self.log.of_guest(number);
        let moves: Vec<(Instant, Instant)> =
            legs.iter().filter_map(|(_, _, report)| report.began.zip(report.ended)).collect();
        let gaps = own.map(|own| own.gaps.as_slice());
        let seen = SeenGuest {
            probes,
            probe_interval: self.machines.profile.probe_interval,
            gaps,
            writes: own.map(|own| own.writes()).unwrap_or_default(),
            idle_gap: downtime::idle_gap(&probes.gaps, gaps.unwrap_or_default(), &moves),
        };
        let complete: Vec<_> = legs.into_iter().filter(|(_, _, report)| report.error.is_none()).collect();
        let downtime = |(index, (step, leg, report)): (usize, &&(usize, _, crate::migration::LegReport))| {
            let leg: &crate::plan::Leg = leg;
            let neighbours = Neighbours {
                last_ended: index.checked_sub(1).and_then(|last| complete[last].2.ended),
                next_began: complete.get(index + 1).and_then(|next| next.2.began),
            };
            let source = &self.machines.hosts.get(leg.from()).entry.name;
            let clocks = downtime::clocks(report, source, &seen, neighbours)?;
            Some(LegDowntime { guest: probes.guest.clone(), leg: *leg, step: *step, clocks })
        };
        complete.iter().enumerate().filter_map(downtime).collect()
    }

    /// Suspends all guests and checks their images, while another thread collects the logs. The guests stand still only
    /// after every check that would notice, and never after damage: a damaged guest may not be where it should be.
    fn check_images_and_collect(&mut self) -> Result<PathBuf> {
        let folder = EvidenceFolder::of_scenario(self.context.folder, self.context.record.disk());
        let (fleet, before) = (self.machines, self.before);
        let logs = thread::scope(|scope| {
            let logs = scope.spawn(|| match before.marks.get() {
                Some(Ok(marks)) => evidence::collect_logs(marks, fleet, &folder),
                Some(Err(failure)) => Err(failure.clone()),
                None => Err(Failure::new("collect the logs", "their lengths were not noted")),
            });
            if self.failure.is_none() && !self.journal.has_damage() {
                self.journal.wait(Activity::Imaging, "qemu-img check");
                self.check_images();
            }
            self.journal.wait(Activity::Collecting, "logs");
            logs.join().unwrap_or_else(|_| Err(Failure::new("collect the logs", "it panicked")))
        });
        // What a log shows last fails a scenario as well as anything before it, and nothing that cannot be collected hides it.
        self.close(&logs);
        if self.failure.is_some() || self.journal.has_findings() {
            evidence::collect_guests(fleet, self.journal.silent_guests(), &folder)?;
        }
        if let Some(guest) = self.log.first_failed() {
            evidence::collect_devices(fleet, &fleet.guests[guest], &folder)?;
        }
        logs.map(|_| folder.into_path())
    }

    /// Lets the checks judge what came up to here, with a last look at what follows a log.
    fn close(&mut self, logs: &Result<Vec<AddedLog>>) {
        let fleet = self.machines;
        let interrupted = fleet.stop_flag().is_set();
        let answers = !self.open.hosts_silent && !interrupted;
        let look = answers.then(|| {
            let [source, target] = fleet.hosts();
            HostsLook { leg: None, hosts: [(&fleet.hosts.source, source), (&fleet.hosts.target, target)] }
        });
        let close = Close { hosts: look, interrupted, logs: logs.as_deref() };
        self.panel.ask(self.journal, |check| check.at_close(&close));
        self.journal.settle();
    }

    /// A stopped QEMU has written everything that it holds of an image (vm_stop in QEMU's system/cpus.c drains and flushes
    /// all block devices).
    fn check_images(&mut self) {
        let guests: Vec<&Arc<Guest>> = self.machines.guests.iter().collect();
        let stopped = at_once("suspend a guest", &guests, |guest| {
            let domain = guest.known_on(self.machines.hosts.get(guest.side()))?;
            domain.suspend().attempting(|| format!("suspend {}", guest.name))?;
            Ok(domain)
        });
        let images: Vec<String> = guests.iter().map(|guest| guest.image.clone()).collect();
        let checked = self.machines.storage.check_images(&images);
        let resumed = stopped.into_iter().map(|stopped| match stopped {
            Ok(domain) => domain.resume().map_err(|error| error.to_string()),
            Err(failure) => Err(failure.to_string()),
        });
        let found =
            |(number, (guest, resumed)): (usize, (&&'env Arc<Guest>, std::result::Result<(), String>))| {
                CheckedImage { guest, found: image(&checked, number, resumed) }
            };
        let images: Vec<CheckedImage<'_>> = guests.iter().zip(resumed).enumerate().map(found).collect();
        self.panel.ask(self.journal, |check| check.at_standstill(&images));
    }
}

impl<'env, M: Machines> Case<'_, '_, 'env, '_, M> {
    /// Ends the load when no check needs it any more, and takes the last look at everything.
    pub(super) fn unload(&mut self) {
        let interrupted = self.machines.stop_flag().is_set();
        let patient = !self.is_over();
        if patient {
            let (moved, settle) = (Instant::now(), self.machines.settle());
            let settled = moved + settle;
            // The last look is in the second half of it, and not added to it.
            self.settle(moved + settle.saturating_sub(LAST_LOOK).max(settle / 2));
            self.look_for_the_last_time();
            self.await_evidence();
            // The load in a silent guest cannot be ended by asking that guest.
            self.await_looks();
            self.settle(settled);
        }
        if !interrupted {
            self.panel.ask(self.journal, |check| check.before_unload(patient));
        }
        if !patient {
            // Silent guests must be known before anything else asks them, and a look at a silent guest's load would hang.
            if let Some(load) = &self.load {
                load.stop_watching();
            }
            self.look_for_the_last_time();
            self.await_looks();
        }
        if let Some(load) = self.load.take() {
            self.end_load(load, interrupted);
        }
        self.await_looks();
        let ending = |case: &Self| case.open.load_ends.then(|| "the load to end".to_owned());
        self.wait(Activity::Unloading, ending);
    }

    /// Lets the guests run on under watch until then: damage by a move may show later.
    fn settle(&mut self, until: Instant) {
        let left = |case: &Self| {
            let left = until.saturating_duration_since(Instant::now());
            (!left.is_zero() && !case.is_over()).then_some(left)
        };
        if left(self).is_some() {
            self.journal.wait(Activity::Settling, "what shows after the last move");
        }
        self.take_while(|case| left(case).map(|left| left.min(LOOK_ROUND)));
    }

    /// Takes events and lets the checks look, while `pause` gives a time to wait for the next event.
    fn take_while(&mut self, pause: impl Fn(&Self) -> Option<Duration>) {
        while let Some(pause) = pause(self) {
            match self.happenings.recv_timeout(pause) {
                Ok(happening) => self.take(happening),
                Err(RecvTimeoutError::Timeout) => self.look_round(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks at every guest that answers, after all earlier looks have ended: of two looks at one guest at the same time the
    /// older one may come last, and show less than the newer one had.
    fn look_for_the_last_time(&mut self) {
        self.await_looks();
        for number in 0..self.machines.guests().len() {
            if self.log.is_known(number) && !self.is_silent(number) {
                self.look_into(number, true);
            }
        }
        self.look_at_hosts(None);
    }

    /// Waits until every check has its evidence of the load, but no longer than one question may take.
    fn await_evidence(&mut self) {
        let (begin, limit) = (Instant::now(), self.machines.answer_limit());
        let awaits = |case: &Self| {
            case.panel.is_waiting() && ran_since(begin) < limit && !case.machines.stop_flag().is_set()
        };
        if awaits(self) {
            self.journal.wait(Activity::Proving, "the last look at the load");
        }
        self.take_while(|case| awaits(case).then_some(GLANCE));
    }

    fn await_looks(&mut self) {
        self.wait(Activity::Proving, |case| {
            let guest = case.log.looking().map(|guest| format!("the last look at {}", case.name(guest)));
            guest.or_else(|| (case.open.hosts > 0).then(|| "the last look at the hosts".to_owned()))
        });
    }

    fn end_load(&mut self, mut load: ActiveLoad<'env>, interrupted: bool) {
        self.open.load_ends = true;
        let silent = self.journal.silent_guests().clone();
        let panicked = CaseEvent::Unloaded(Err(Failure::new("end the load", "it panicked")));
        self.lookout.beside("end the load", panicked, move |sender| {
            if !interrupted {
                load.finish_boots();
            }
            let _ = sender.send(CaseEvent::Unloaded(load.close(&silent)));
        });
    }
}

fn image(
    checked: &Result<Vec<ImageCheck>>,
    number: usize,
    resumed: std::result::Result<(), String>,
) -> std::result::Result<&ImageCheck, String> {
    let checks = checked.as_ref().map_err(Failure::to_string)?;
    resumed?;
    checks.get(number).ok_or_else(|| "it was not checked".to_owned())
}
