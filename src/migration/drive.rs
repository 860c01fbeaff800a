//! Drives a watch until its migration ends: passes it events and the time, and makes the calls that it asks for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::job::{Call, Job};
use super::report::LegReport;
use super::watch::{Happening, LegWatch};
use crate::sys::halt::{ran_since, within};
use crate::sys::stop::StopFlag;

/// How often the driver polls the stop flag, which wakes nobody up.
const LOOK_AT_FLAG: Duration = Duration::from_millis(50);

/// Makes calls without waiting for them. A call that never returns occupies its own thread and nothing else.
pub struct Caller {
    pub job: Arc<dyn Job>,
    /// The channel for the answers.
    pub inbox: Sender<Happening>,
}

impl Caller {
    /// Makes a call in a thread of its own. If no thread can be started, the call stays unanswered.
    fn make(&self, call: Call) {
        let (job, inbox) = (Arc::clone(&self.job), self.inbox.clone());
        let calling = move || {
            // The receiver is gone if the migration ended without this answer.
            let _ = inbox.send(Happening::Answer(call.make(&*job)));
        };
        let _ = thread::Builder::new().name(format!("{call:?}")).spawn(calling);
    }
}

/// Drives a watch until its migration is over or the watch stops waiting.
pub fn drive(
    mut watch: LegWatch<'_>,
    happenings: &Receiver<Happening>,
    caller: &Caller,
    stop: &StopFlag,
) -> LegReport {
    let began = Instant::now();
    // The watch's deadlines count only the time in which this process ran.
    loop {
        let now = began + ran_since(began);
        for call in watch.due(now, stop.is_set()) {
            caller.make(call);
        }
        if watch.is_over() {
            break;
        }
        let wait = watch.next_due().saturating_duration_since(now).min(LOOK_AT_FLAG);
        if let Ok(happening) = happenings.recv_timeout(wait) {
            watch.take(happening, began + ran_since(began));
        }
    }
    // Events that arrived in the meantime belong to the report.
    for happening in happenings.try_iter() {
        if matches!(happening, Happening::Event(_)) {
            watch.take(happening, began + ran_since(began));
        }
    }
    let mut report = watch.into_report();
    // If the migration ended while this process did not run, its end is unknown.
    if let Some((began, ended)) = report.began.zip(report.ended) {
        report.duration = report.duration.saturating_sub(within(began, ended));
    }
    report
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use rstest::rstest;

    use super::super::job::Call;
    use super::super::limits::Limits;
    use super::super::options::FullSpeed;
    use super::super::{Move, Options};
    use super::*;
    use crate::libvirt::{
        AbortAnswer, Detail, EventKind, HostEvent, JobStats, LifecycleEvent, Result, Switch,
    };
    use crate::scenario::{AtTimeout, Mode, Side};

    /// A job of which calls of one kind never return.
    struct Blocked(Option<Call>);

    impl Blocked {
        fn or<T>(&self, call: Call, answer: T) -> Result<T> {
            while self.0 == Some(call) {
                thread::park();
            }
            Ok(answer)
        }
    }

    impl Job for Blocked {
        fn start_post_copy(&self) -> Result<Switch> {
            self.or(Call::StartPostCopy, Switch::Started)
        }

        fn job_stats(&self) -> Result<Option<JobStats>> {
            self.or(Call::JobStats, None)
        }

        fn abort_job(&self) -> Result<AbortAnswer> {
            self.or(Call::AbortJob, AbortAnswer::Aborted)
        }

        fn suspend(&self) -> Result<()> {
            self.or(Call::Suspend, ())
        }

        fn resume(&self) -> Result<()> {
            self.or(Call::Resume, ())
        }

        fn set_max_speed(&self, mib: Option<u64>) -> Result<()> {
            self.or(Call::SetMaxSpeed(mib), ())
        }
    }

    fn plan(mode: Mode) -> Move {
        Move {
            from: Side::Source,
            to: Side::Target,
            mode,
            options: Options { after_first_pass: Some(FullSpeed { mib: None }), ..Options::default() },
            timeout: Duration::from_millis(1),
            switch_in_pass: 2,
            switch_after: Duration::ZERO,
            at_timeout: AtTimeout::Suspend,
        }
    }

    /// Times that are over as soon as they begin, so that no machine is too slow for them.
    const AT_ONCE: Limits = Limits {
        sample: Duration::ZERO,
        repeat: Duration::from_millis(1),
        answer: Duration::from_millis(1),
        abort: Duration::from_millis(1),
        suspended: Duration::from_millis(1),
        events: Duration::ZERO,
    };

    /// Drives the watch of a migration that never returns, whose second pass has begun.
    fn driven(mode: Mode, job: Blocked) -> LegReport {
        let (inbox, happenings) = channel();
        let now = Instant::now();
        let at = || (now, std::time::SystemTime::now());
        for kind in [
            EventKind::MigrationIteration(2),
            EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail: Detail::Migrated },
        ] {
            let (at, wall) = at();
            let event = HostEvent { host: "source".into(), domain: "vm1".into(), at, wall, kind };
            inbox.send(Happening::Event(event)).unwrap();
        }
        let caller = Caller { job: Arc::new(job), inbox };
        let plan = plan(mode);
        let watch = LegWatch::new("source", &plan, &|_| (), AT_ONCE, now);
        drive(watch, &happenings, &caller, &StopFlag::new())
    }

    /// This test ends, or it hangs: that is what it proves.
    #[rstest]
    fn no_call_that_blocks_keeps_the_watch(
        #[values(Mode::Precopy, Mode::Postcopy)] mode: Mode,
        #[values(
            Call::StartPostCopy,
            Call::JobStats,
            Call::AbortJob,
            Call::Suspend,
            Call::Resume,
            Call::SetMaxSpeed(None)
        )]
        blocked: Call,
    ) {
        let report = driven(mode, Blocked(Some(blocked)));
        let error = report.error.unwrap().text;
        assert!(error.contains("it did not end within"), "{error}");
        assert_eq!((report.ended, report.completed, report.events.len()), (None, false, 2));
    }

    #[test]
    fn an_interruption_is_noticed_while_nothing_happens() {
        let (inbox, happenings) = channel();
        let caller = Caller { job: Arc::new(Blocked(None)), inbox };
        let plan = Move { timeout: Duration::from_secs(3_600), ..plan(Mode::Precopy) };
        let limits = Limits { abort: Duration::ZERO, ..Limits::default() };
        let watch = LegWatch::new("source", &plan, &|_| (), limits, Instant::now());
        let stop = StopFlag::new();
        let interrupted = stop.clone();
        let interrupting = thread::spawn(move || interrupted.set());
        let report = drive(watch, &happenings, &caller, &stop);
        interrupting.join().unwrap();
        assert!(report.error.unwrap().text.starts_with("the run was interrupted"));
    }
}
