//! The fixture of all scenarios of a run: the lab, its hosts and storage, and the fleet on them.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::news::{Calm, tell};
use super::player::Player;
use super::slot::Builder;
use super::streak::Streak;
use super::tried;
use crate::failure::{Failure, FailureKind, Result};
use crate::guest::{DamagedPart, Definition, Fleet, Guest, GuestDamage, GuestLoss, OnNews, Since, panics_in};
use crate::host::ends_in;
use crate::inventory::Inventory;
use crate::libvirt::HostEvent;
use crate::migration::GRACE;
use crate::plan::Seed;
use crate::play::{self, Context, Played};
use crate::record::{Outcome, RepairedPart};
use crate::run::{EarlierRun, HeldSession, Run, RunGroup};
use crate::scenario::{Profile, Scenario, ScenarioFile};
use crate::stand::Session;
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;

/// How often a guest may boot in one start.
const BOOTS: u32 = 2;

/// Attempts that may follow each other until a fleet is whole: another process's, a look, one after each repair.
const RUNGS: u32 = 4;

/// Builds the fleet, and everything below it, on a session's hosts.
pub struct Fixture {
    pub session: HeldSession,
    pub run: Arc<Run>,
    /// Memory that the hosts must have room for, bytes.
    pub guests_memory: u64,
    /// CPUs of a host, in hundredths.
    pub cpu_percent: u32,
    /// The longest time for the hosts of a fleet to be raised, or to be connected to.
    pub raise_limit: Duration,
    pub stop: StopFlag,
    /// The folder of the group that the run belongs to.
    pub group: Option<PathBuf>,
    /// QEMUs that ended by themselves after the last scenario, until another one can report them.
    pub ends: Mutex<Vec<HostEvent>>,
    /// What befell guests after a scenario that found no damage, until another one can report it.
    pub since: Mutex<Since>,
    /// The definitions with which guests were made whose fleet may be gone.
    pub made: Mutex<HashMap<String, Definition>>,
    /// What the run before this one, in a group, has handed over.
    pub earlier: Mutex<EarlierRun>,
    /// The number of results after which it was last asked which guests are suspect.
    pub suspected_after: AtomicUsize,
}

impl Fixture {
    fn build_once(&self, profile: &Profile) -> Result<Fleet> {
        let begin = Instant::now();
        let raise = |session: &mut Session| session.raise(self.guests_memory).cloned();
        let inventory = self.session.with("raise the hosts", raise)?;
        self.run.fixture_ready("stand", begin.elapsed(), BTreeMap::new());
        let fleet = self.fleet(&inventory, profile)?;
        self.give_back(&fleet);
        if let Some(warning) = fleet.hosts.warning() {
            terminal::say(&format!("\nmultivm: warning: {warning}"));
            self.run.fixture_ready("warning", begin.elapsed(), [("warning".to_owned(), warning)].into());
        }
        Ok(fleet)
    }

    /// Builds on hosts which another process may have raised.
    fn build_on(&self, profile: &Profile, shared: bool) -> Result<Fleet> {
        if shared {
            self.hosts_are_as_raised()?;
        }
        self.build_once(profile)
    }

    fn hosts_are_as_raised(&self) -> Result<()> {
        self.session.with("look what the hosts have", Session::are_as_raised)
    }

    /// Starts the fleet on an inventory's hosts. Each part goes into the record as soon as it is ready, with its time.
    fn fleet(&self, inventory: &Inventory, profile: &Profile) -> Result<Fleet> {
        let begin = Cell::new(Instant::now());
        let run = Arc::clone(&self.run);
        let calm = Calm::default();
        let news: OnNews = Arc::new(move |news| tell(&run, &calm, news));
        let ready = |part: &str, facts| {
            self.run.fixture_ready(part, begin.replace(Instant::now()).elapsed(), facts);
        };
        Fleet::start_after(inventory, profile, &self.stop, news, &ready, &|fleet| {
            fleet.note_earlier(std::mem::take(&mut *locked(&self.made)));
            self.read_on(fleet);
        })
    }

    /// Takes the ends of QEMUs since the last scenario, before repairs end others, too.
    fn keep_ends(&self, fleet: &Fleet) {
        locked(&self.ends).extend(fleet.take_ends());
    }

    /// Keeps what has befallen guests since their last looks, before repairs make them anew. Ends of QEMUs are kept by then.
    fn note_since(&self, fleet: &Fleet) {
        // Guests that hang are asked without a lock.
        let ends = locked(&self.ends).clone();
        let since = play::guests_since(fleet, &ends);
        locked(&self.since).add(since);
        // Another fleet may adopt them.
        *locked(&self.made) = fleet.definitions();
    }

    /// Leaves what was kept to the next scenario.
    fn give_back(&self, fleet: &Fleet) {
        fleet.hosts.qemu_ends.give_back(std::mem::take(&mut *locked(&self.ends)));
        fleet.keep_since(std::mem::take(&mut *locked(&self.since)));
    }

    /// Keeps what has befallen guests since the process before this one, before they are made anew.
    fn read_on(&self, fleet: &Fleet) {
        let EarlierRun { read, looks } = std::mem::take(&mut *locked(&self.earlier));
        let added = read.map(|read| read.all_added(&fleet.hosts, &fleet.storage));
        let logs = match added.transpose() {
            Ok(added) => added.map(|(logs, _)| logs).unwrap_or_default(),
            Err(failure) => {
                self.unknown("whether a QEMU ended, or a kernel panicked and started again,", &failure);
                Vec::new()
            }
        };
        let ends = {
            let mut ends = locked(&self.ends);
            let is_known = |end: &HostEvent| {
                ends.iter().any(|known| (&known.host, &known.domain) == (&end.host, &end.domain))
            };
            let new: Vec<HostEvent> = ends_in(&logs).into_iter().filter(|end| !is_known(end)).collect();
            ends.extend(new);
            ends.clone()
        };
        let Some(looks) = looks else { return };
        let (since, unknown) = play::guests_between_processes(fleet, &looks, &panics_in(&logs), &ends);
        if !unknown.is_empty() {
            let what = format!("what befell {}", unknown.join(", "));
            self.unknown(&what, "guests of this scenario have other names");
        }
        locked(&self.since).add(since);
    }

    /// Says that something of the time between the last scenario and this one cannot be known.
    fn unknown(&self, what: &str, why: impl Display) {
        let warning = format!("it is not known {what} between the last scenario and this one: {why}");
        terminal::say(&format!("\nmultivm: warning: {warning}"));
        let facts = [("not_known".to_owned(), warning)].into();
        self.run.fixture_ready("warning", Duration::ZERO, facts);
    }

    /// The guests that failures in a row of this process's scenarios make suspect, and that have no other damage. Those of a
    /// scenario that is played once more were made anew before its first play.
    fn suspected(&self, fleet: &Fleet, known: &[GuestDamage]) -> Vec<GuestDamage> {
        let outcomes = self.run.outcomes();
        if self.suspected_after.swap(outcomes.len(), Ordering::SeqCst) == outcomes.len() {
            return Vec::new();
        }
        let streak = Streak::of(&outcomes);
        let is_known = |name: &String| known.iter().any(|damage| damage.guest.name == *name);
        let suspects = streak.suspects().iter().filter(|name| !is_known(name));
        let damaged = suspects.filter_map(|name| fleet.guest(name)).map(|guest| GuestDamage {
            guest: Arc::clone(guest),
            part: DamagedPart::Guest,
            why: "the last two scenarios had findings about it, and nobody knows of any other damage".into(),
        });
        damaged.collect()
    }

    fn raise_anew(&self, profile: &Profile, why: &Failure) -> Result<Fleet> {
        self.clear(why)?;
        self.build_once(profile)
    }

    /// Restarts the hosts' daemons that have ended.
    ///
    /// # Errors
    ///
    /// A daemon does not start, or what would start it does not answer.
    fn restart_daemons(&self, why: impl Display) -> Result<()> {
        let restarted = self.session.with("restart daemons", Session::mend)?;
        if !restarted.is_empty() {
            self.run.repaired(RepairedPart::Daemon, format!("start again {}", restarted.join(", ")), why);
        }
        Ok(())
    }

    /// Makes guests forget migration connections that were closed, so that the next use opens new ones.
    fn mend_connections(&self, fleet: &Fleet) {
        let closed = fleet.with_closed_connections();
        if closed.is_empty() {
            return;
        }
        let what = format!("connect anew for the migrations of {}", names(&closed));
        self.run.repaired(RepairedPart::Connection, what, "a connection was closed");
        closed.iter().for_each(|guest| guest.forget_closed_connections());
    }

    /// Restarts the witness in these guests. If that does not help, the guests are renewed.
    fn mend_witnesses(&self, fleet: &Fleet, damage: &[&GuestDamage]) -> Result<()> {
        let guests = guests_of(damage);
        if guests.is_empty() {
            return Ok(());
        }
        self.run.repaired(
            RepairedPart::Witness,
            format!("start the witness anew in {}", names(&guests)),
            reasons(damage),
        );
        match fleet.restart_witnesses(&guests) {
            Ok(()) => Ok(()),
            Err(failure) => self.renew(fleet, &guests, &failure.to_string()),
        }
    }

    fn renew(&self, fleet: &Fleet, guests: &[Arc<Guest>], why: &str) -> Result<()> {
        if guests.is_empty() {
            return Ok(());
        }
        fleet.refuse_foreign(&fleet.guests)?;
        self.run.repaired(RepairedPart::Guest, format!("renew {}", names(guests)), why);
        fleet.renew(guests)
    }
}

impl Builder for Fixture {
    type Fixture = Fleet;

    fn build(&self, profile: &Profile) -> Result<Fleet> {
        let Some(group) = &self.group else { return self.build_once(profile) };
        let shared = self.session.with("look at the hosts", |session| Ok(session.is_shared()))?;
        RunGroup::raise(group, &self.stop, || match self.build_on(profile, shared) {
            // Another process raised the hosts, and one of its scenarios may have damaged it.
            Err(why) if shared && !self.stop.is_set() && is_damage(&why) => self
                .restore(&why)
                .and_then(|()| self.build_once(profile))
                .or_else(|why| self.raise_anew(profile, &why)),
            built => built,
        })
    }

    fn glance(&self, fleet: &Fleet) -> Result<()> {
        if !fleet.with_closed_connections().is_empty() {
            return Err(Failure::new("use the connections of the guests", "one was closed"));
        }
        fleet.ground_answers()?;
        fleet.seeds_are_there()?;
        fleet.witnesses_answer()
    }

    fn mend(&self, fleet: &Fleet, is_news: bool) -> Result<()> {
        self.keep_ends(fleet);
        let ground = fleet.ground_answers();
        if is_news {
            // Guests answer by themselves, whatever their ground does: afterwards they may be other ones.
            self.note_since(fleet);
        } else {
            fleet.forget_last_looks();
        }
        ground?;
        // The rest of the ground is missed by the one who needs it next: a login, or the parent of a QEMU that ends.
        self.restart_daemons("it had ended")?;
        self.mend_connections(fleet);
        fleet.clear_strays()?;
        self.hosts_are_as_raised()?;
        let mut damage = fleet.damage();
        damage.extend(tried::damage(fleet, &damage));
        damage.extend(self.suspected(fleet, &damage));
        // What befell them is reported by now. A scenario that the stack refuses at once looks at nobody.
        damage.iter().for_each(|damage| damage.guest.forget_look());
        let (witnesses, whole): (Vec<&GuestDamage>, Vec<&GuestDamage>) =
            damage.iter().partition(|damage| damage.part == DamagedPart::Witness);
        self.mend_witnesses(fleet, &witnesses)?;
        self.renew(fleet, &guests_of(&whole), &reasons(&whole))?;
        fleet.hosts.forget_the_past();
        self.give_back(fleet);
        Ok(())
    }

    fn leave(&self, fleet: &Fleet, is_news: bool, next: &Profile) {
        self.keep_ends(fleet);
        if is_news {
            self.note_since(fleet);
        }
        let mut since = locked(&self.since);
        since.add(fleet.take_since());
        // A fleet with fewer guests has no place for an end of one that it lacks.
        let absent = fleet.guests.iter().skip(next.guests as usize);
        let absent: HashMap<&str, &Arc<Guest>> = absent.map(|guest| (guest.name.as_str(), guest)).collect();
        let is_absent = |end: &mut HostEvent| absent.contains_key(end.domain.as_str());
        let ended: Vec<HostEvent> = locked(&self.ends).extract_if(.., is_absent).collect();
        since.lost.extend(ended.iter().map(|end| GuestLoss::by_end(absent[end.domain.as_str()], end)));
    }

    fn restore(&self, why: &Failure) -> Result<()> {
        if self.stop.is_set() || !is_damage(why) {
            return Err(why.clone());
        }
        self.restart_daemons(why)?;
        self.hosts_are_as_raised()?;
        let what = "connect to the hosts anew, and keep the guests that are whole";
        self.run.repaired(RepairedPart::Connection, what, why);
        Ok(())
    }

    fn clear(&self, why: &Failure) -> Result<()> {
        if self.stop.is_set() || !is_damage(why) {
            return Err(why.clone());
        }
        self.run.repaired(RepairedPart::Host, "rebuild the hosts and the whole fleet", why);
        let EarlierRun { read, looks } = std::mem::take(&mut *locked(&self.earlier));
        if read.is_some() || looks.is_some() {
            self.unknown(
                "what befell guests",
                "they and their logs go with the hosts, which cannot be asked",
            );
        }
        self.session.with("take the hosts down", Session::clear_hosts)
    }
}

impl Player for Fixture {
    fn ready_limit(&self, profile: &Profile) -> Duration {
        let waves = profile.guests.div_ceil(profile.wave(self.cpu_percent)).max(1);
        let start = profile.start_limit(self.cpu_percent) * waves * BOOTS;
        (self.raise_limit + start) * RUNGS + GRACE
    }

    fn limit(&self, scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Duration {
        play::longest(scenario, fleet, seed) + GRACE
    }

    fn play(&self, scenario: &Scenario, fleet: &Fleet, context: &Context<'_>) -> Played {
        play::play(scenario, fleet, context)
    }

    fn last_look(
        &self,
        scenario: &str,
        fleet: &Fleet,
        was_whole: bool,
        file: &ScenarioFile,
    ) -> Option<Outcome> {
        play::last_look(scenario, fleet, was_whole, file, &self.run.record)
    }

    fn floor(&self, scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Result<Option<Duration>> {
        play::floor(scenario, fleet, seed)
    }
}

/// Whether a repair may help. It would only meet the same refusal again, and may not clear what somebody else made.
fn is_damage(failure: &Failure) -> bool {
    !matches!(failure.kind(), FailureKind::Refused | FailureKind::Cancelled)
}

fn guests_of(damage: &[&GuestDamage]) -> Vec<Arc<Guest>> {
    damage.iter().map(|damage| Arc::clone(&damage.guest)).collect()
}

fn names(guests: &[Arc<Guest>]) -> String {
    guests.iter().map(|guest| guest.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn reasons(damage: &[&GuestDamage]) -> String {
    let reason = |damage: &&GuestDamage| format!("{}: {}", damage.guest.name, damage.why);
    damage.iter().map(reason).collect::<Vec<_>>().join("; ")
}
