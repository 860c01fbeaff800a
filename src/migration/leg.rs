//! One migration of one guest, watched from its order to its end.
//!
//! libvirt's call blocks until the migration is over, so it has a thread of its own. This thread waits for that call
//! and in the meantime reads events and job statistics, orders the post-copy switch, and aborts when time is up.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::host::{Hosts, Listener};
use crate::libvirt::{
    AbortAnswer, Detail, Domain, Event, EventKind, JobStats, LifecycleEvent, Migration, Switch,
};
use crate::scenario::{AtTimeout, Mode, Side};
use crate::sys::wait::StopFlag;

/// How one guest is to be moved.
#[derive(Debug, Clone)]
pub struct Move {
    pub from: Side,
    pub to: Side,
    pub mode: Mode,
    /// XBZRLE compression of resent pages.
    pub compressed: bool,
    /// The most that it may send, MiB/s; of a post-copy migration until it switches.
    pub bandwidth_mib: Option<u64>,
    /// The same of a post-copy migration after its switch.
    pub post_copy_bandwidth_mib: Option<u64>,
    /// How long QEMU may plan to stop the guest at the end of pre-copy.
    pub downtime_limit: Duration,
    pub timeout: Duration,
    /// What becomes of a pre-copy migration that takes longer.
    pub at_timeout: AtTimeout,
}

/// What became of one migration.
#[derive(Debug, Clone, Default)]
pub struct LegReport {
    /// Time from libvirt's call to its return.
    pub duration: Duration,
    /// When the call was made and when it returned, for overlaps.
    pub began: Option<Instant>,
    pub ended: Option<Instant>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// libvirt or QEMU cannot do this on this stack; `error` has their words.
    pub refused: bool,
    /// Time from the call until the guest was suspended on the source, if somebody did before it was across.
    pub suspended: Option<Duration>,
    /// Time from the call until QEMU reported the switch to post-copy.
    pub switchover: Option<Duration>,
    /// libvirt's statistics of the completed job, from the source.
    pub stats: Option<JobStats>,
    /// Events of this guest on both hosts during the migration, in the order of their arrival.
    pub events: Vec<Event>,
}

/// What is told of a migration while it goes on, as it comes.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    Event(&'a Event),
    /// Of the source's job.
    Sample(&'a JobStats),
}

/// Hears the news of the migration of the guest of that name, in the thread that watches it: it should be quick.
pub type Hear<'a> = dyn Fn(&str, News<'_>) + Sync + 'a;

/// Statistics are read this often, and at every pass over the memory: four times a second.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// After an abort QEMU needs seconds to stop; a post-copy migration cannot be aborted and gets as long to end.
const ABORT_GRACE: Duration = Duration::from_secs(30);

/// A guest that was suspended at a timeout dirties nothing: all of it is sent in this time at least.
const SUSPENDED_GRACE: Duration = Duration::from_secs(60);

/// After libvirt's call returned: how long its last events may take to arrive. They come over another connection.
const EVENT_GRACE: Duration = Duration::from_secs(10);

/// The pass at whose beginning the first one is over: what virsh's --postcopy-after-precopy waits for
/// (tools/virsh-domain.c, virshMigrateIteration).
const SECOND_PASS: i32 = 2;

/// Passes that begin when the guest has been stopped because little is left: one, in each of thousands of migrations by
/// QEMU 7.2 and 10.0. When there are more, it was stopped before little was left.
const LAST_PASSES: u32 = 1;

/// With this limit QEMU does not consider a guest converged whose remaining memory takes longer to send, milliseconds.
/// A guest that dirties little would otherwise be done in pre-copy before the switch can be ordered.
const POST_COPY_MAX_DOWNTIME_MS: u64 = 1;

/// Migrates `guest` and reports; failing to migrate is a report, too.
pub fn migrate(
    guest: &Guest,
    hosts: &Hosts,
    plan: &Move,
    ready: impl FnOnce(),
    hear: &Hear<'_>,
    cancel: &StopFlag,
) -> LegReport {
    match attempt(guest, hosts, plan, ready, hear, cancel) {
        Ok(report) => report,
        Err(failure) => LegReport { error: Some(failure.to_string()), ..LegReport::default() },
    }
}

fn attempt(
    guest: &Guest,
    hosts: &Hosts,
    plan: &Move,
    ready: impl FnOnce(),
    hear: &Hear<'_>,
    cancel: &StopFlag,
) -> Result<LegReport> {
    let from = hosts.get(plan.from);
    let prepared = prepare(guest, hosts, plan, cancel);
    // Whoever waits at the barrier of a step must not wait for one that cannot start.
    ready();
    let (domain, control, destination) = prepared?;
    let listener = hosts.events.listen(Some(&guest.name));
    let options = options(plan);
    let (answer, over) = channel();
    let began = Instant::now();
    thread::Builder::new()
        .name(format!("migrate {}", guest.name))
        .spawn(move || {
            let result = domain.migrate(&destination, &options).map(drop);
            // Nobody may be listening any more: then the time was up long ago.
            let _ = answer.send((Instant::now(), result));
        })
        .attempting(|| format!("start the migration thread of {}", guest.name))?;

    let mut watch = Watch {
        source: &from.entry.name,
        guest: &guest.name,
        hear,
        domain: control,
        plan,
        began,
        report: LegReport { began: Some(began), ..LegReport::default() },
        order: PostCopy::Waiting,
        stopped: None,
        passes_since_stop: 0,
        timeout: plan.timeout,
        given_up: None,
    };
    watch.until_over(&over, &listener, cancel);
    if watch.report.error.is_some() && watch.report.suspended.is_some() {
        // It is still here, and stands still because of us.
        let _ = watch.domain.resume();
    }
    watch.drain(&listener);
    Ok(watch.report)
}

type Prepared = (Domain, Domain, crate::libvirt::Connection);

fn prepare(guest: &Guest, hosts: &Hosts, plan: &Move, cancel: &StopFlag) -> Result<Prepared> {
    let from = hosts.get(plan.from);
    let domain = guest.known_through(&guest.connection(hosts, plan.from, cancel)?)?;
    let destination = guest.connection(hosts, plan.to, cancel)?;
    let control = guest.known_on(from)?;
    let max_downtime_ms = match plan.mode {
        Mode::Precopy => plan.downtime_limit.as_millis().try_into().unwrap_or(u64::MAX).max(1),
        Mode::Postcopy => POST_COPY_MAX_DOWNTIME_MS,
    };
    control
        .set_max_downtime(max_downtime_ms)
        .attempting(|| format!("set the maximum downtime of {} to {max_downtime_ms} ms", guest.name))?;
    Ok((domain, control, destination))
}

fn options(plan: &Move) -> Migration {
    Migration {
        live: true,
        persist_dest: true,
        post_copy: plan.mode == Mode::Postcopy,
        auto_converge: plan.mode == Mode::Precopy,
        compressed: plan.compressed,
        bandwidth_mib: plan.bandwidth_mib,
        post_copy_bandwidth_mib: plan.post_copy_bandwidth_mib,
        ..Migration::default()
    }
}

/// How far the switch to post-copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PostCopy {
    /// The first pass is not over.
    Waiting,
    /// The order is due; it may have to be repeated.
    Due,
    /// Ordered; QEMU has not switched yet.
    Ordered,
    Switched,
}

struct Watch<'a> {
    source: &'a str,
    guest: &'a str,
    hear: &'a Hear<'a>,
    domain: Domain,
    plan: &'a Move,
    began: Instant,
    report: LegReport,
    order: PostCopy,
    /// When the guest stopped on the source, and the passes that began since.
    stopped: Option<Instant>,
    passes_since_stop: u32,
    /// Time since the call after which something is done about it.
    timeout: Duration,
    /// When the watch gave the migration up.
    given_up: Option<Instant>,
}

impl LegReport {
    /// When the guest's CPUs stood still and for how long, as libvirt passes on what QEMU says of both ends (`STOP` and
    /// `RESUME`), by the arrival of its events here. The last time is the one from the source to the target; those before
    /// it are somebody else's.
    pub fn standstills(&self, source: &str) -> Vec<(Instant, Duration)> {
        let moments = |on_source: bool, wanted: LifecycleEvent| {
            let found = self.events.iter().filter(move |seen| {
                (*seen.host == *source) == on_source
                    && matches!(seen.kind, EventKind::Lifecycle { event, .. } if event == wanted)
            });
            found.map(|seen| seen.at)
        };
        let mut stops = moments(true, LifecycleEvent::Suspended).peekable();
        let mut standstills = Vec::new();
        for resumed in moments(true, LifecycleEvent::Resumed) {
            let stopped = std::iter::from_fn(|| stops.next_if(|stopped| *stopped <= resumed)).last();
            standstills.extend(stopped.map(|stopped| (stopped, resumed - stopped)));
        }
        // Events of two hosts come over two connections, and may overtake each other by a moment.
        if let (Some(stopped), Some(resumed)) = (stops.last(), moments(false, LifecycleEvent::Resumed).next())
        {
            standstills.push((stopped, resumed.saturating_duration_since(stopped)));
        }
        standstills
    }
}

impl Watch<'_> {
    fn until_over(
        &mut self,
        over: &Receiver<(Instant, crate::libvirt::Result<()>)>,
        listener: &Listener,
        cancel: &StopFlag,
    ) {
        let mut next_sample = self.began + SAMPLE_INTERVAL;
        loop {
            if let Ok((ended, result)) = over.try_recv() {
                self.report.ended = Some(ended);
                self.report.duration = ended - self.began;
                if let Err(error) = result {
                    self.report.refused = error.is_refusal() && self.report.error.is_none();
                    // The reason that was found here is the cause; libvirt's "aborted" only its consequence.
                    self.report.error.get_or_insert(error.to_string());
                }
                return;
            }
            // Short, because the end of libvirt's call does not wake this up.
            match listener.recv_timeout(Duration::from_millis(10)) {
                Ok(event) => self.on_event(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.switch_if_due();
            let now = Instant::now();
            if now >= next_sample {
                next_sample = now + SAMPLE_INTERVAL;
                self.sample();
            }
            if self.give_up_if_due(now, cancel) {
                return;
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        (self.hear)(self.guest, News::Event(&event));
        let from_source = *event.host == *self.source;
        match &event.kind {
            EventKind::JobCompleted(stats) if from_source => self.report.stats = Some((**stats).clone()),
            EventKind::MigrationIteration(pass) if from_source => {
                if *pass >= SECOND_PASS && self.order == PostCopy::Waiting {
                    self.order = PostCopy::Due;
                }
                self.passes_since_stop += u32::from(self.stopped.is_some());
                self.note_early_stop(self.passes_since_stop > LAST_PASSES);
                self.sample();
            }
            // The source's domain is suspended with this detail at the moment QEMU switches.
            kind if from_source && kind.is(LifecycleEvent::Suspended, Detail::PostCopy) => {
                self.order = PostCopy::Switched;
                self.report.switchover = Some(event.at.saturating_duration_since(self.began));
            }
            // QEMU stops the guest for the last pass. libvirt tells the same of one that somebody suspends before.
            kind if from_source && kind.is(LifecycleEvent::Suspended, Detail::Migrated) => {
                self.stopped.get_or_insert(event.at);
            }
            kind if from_source && kind.is(LifecycleEvent::Suspended, Detail::Paused) => {
                self.stopped.get_or_insert(event.at);
                self.note_early_stop(true);
            }
            EventKind::Lifecycle { event: LifecycleEvent::Resumed, .. } if from_source => {
                self.note_early_stop(true)
            }
            _ => {}
        }
        self.report.events.push(event);
    }

    /// The guest stood still before its last pass.
    fn note_early_stop(&mut self, early: bool) {
        if let (true, Some(stopped)) = (early && self.plan.mode == Mode::Precopy, self.stopped) {
            self.report.suspended.get_or_insert(stopped.saturating_duration_since(self.began));
        }
    }

    fn switch_if_due(&mut self) {
        if self.plan.mode == Mode::Postcopy && self.order == PostCopy::Due {
            match self.domain.start_post_copy() {
                // Accepted is not switched: the event says that.
                Ok(Switch::Started) => self.order = PostCopy::Ordered,
                // Asked again at the next turn; the migration's timeout bounds it.
                Ok(Switch::NotYet) => {}
                Ok(Switch::Over) => self.order = PostCopy::Ordered,
                Err(error) => {
                    self.report.error.get_or_insert(format!("switch to post-copy: {error}"));
                    self.order = PostCopy::Ordered;
                }
            }
        }
    }

    fn sample(&self) {
        // Until QEMU has switched, the order to switch must not wait for an answer to this.
        if self.plan.mode == Mode::Postcopy && self.order != PostCopy::Switched {
            return;
        }
        // A failing question is not a failing migration: the next answer, or the call's own, will tell.
        if let Ok(Some(stats)) = self.domain.job_stats() {
            (self.hear)(self.guest, News::Sample(&stats));
        }
    }

    /// Aborts when the time is up or the run is interrupted. True when even that had no effect.
    fn give_up_if_due(&mut self, now: Instant, cancel: &StopFlag) -> bool {
        if let Some(since) = self.given_up {
            if now.duration_since(since) < ABORT_GRACE {
                return false;
            }
            self.report.duration = now - self.began;
            let reason = self.report.error.take().unwrap_or_default();
            self.report.error = Some(format!(
                "{reason}; it did not end within {} s after that either",
                ABORT_GRACE.as_secs()
            ));
            return true;
        }
        let spent = now.duration_since(self.began);
        let reason = if cancel.is_set() {
            "the run was interrupted".to_owned()
        } else if spent > self.timeout {
            if self.suspend() {
                return false;
            }
            format!("timeout: not complete after {:.0} s{}", spent.as_secs_f64(), self.progress())
        } else {
            return false;
        };
        let aborted = match self.domain.abort_job() {
            Ok(AbortAnswer::Aborted) => "aborted".to_owned(),
            Ok(AbortAnswer::NoJob) => "there was no job to abort".to_owned(),
            Err(error) => format!("it could not be aborted: {error}"),
        };
        self.report.error = Some(format!("{reason}; {aborted}"));
        self.given_up = Some(now);
        false
    }

    /// Stops the guest's CPUs if that is what the profile wants at a timeout: nothing is dirtied any more, and the
    /// migration completes. It gets as much time again. What virsh's --timeout-suspend does.
    fn suspend(&mut self) -> bool {
        let wanted = self.plan.mode == Mode::Precopy
            && self.plan.at_timeout != AtTimeout::Abort
            && self.report.suspended.is_none();
        if !wanted {
            return false;
        }
        match self.domain.suspend() {
            Ok(()) => {
                self.report.suspended = Some(self.began.elapsed());
                self.timeout += self.plan.timeout.max(SUSPENDED_GRACE);
                true
            }
            // libvirt allows it only while QEMU migrates, not while the migration is prepared.
            Err(_) => self.began.elapsed() < self.timeout + self.plan.timeout,
        }
    }

    fn progress(&self) -> String {
        let Ok(Some(stats)) = self.domain.job_stats() else { return String::new() };
        let mib = |bytes: Option<u64>| bytes.map_or("?".into(), |bytes| (bytes >> 20).to_string());
        let number = |number: Option<u64>| number.map_or("?".into(), |number| number.to_string());
        format!(
            ", {} MiB of memory remaining, pass {}, dirty rate {} pages/s",
            mib(stats.memory_remaining_bytes),
            number(stats.memory_iteration),
            number(stats.memory_dirty_rate_pages_per_s),
        )
    }

    /// Takes in the events that arrive after libvirt's call returned, until the job's statistics are there.
    fn drain(&mut self, listener: &Listener) {
        let deadline = Instant::now() + EVENT_GRACE;
        while self.report.error.is_none() && self.report.stats.is_none() {
            match listener.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.on_event(event),
                Err(_) => return,
            }
        }
        while let Ok(event) = listener.try_recv() {
            self.on_event(event);
        }
    }
}
