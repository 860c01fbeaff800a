//! One command's hold on this machine: the lock, the ledger, and hosts that are up or can be raised.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::pair::put_back;
use super::{FoundHosts, Ground, Stand, StandKind, Standing};
use crate::failure::{Attempt, Failure, Result};
use crate::inventory::Inventory;
use crate::ledger::{Ledger, Lock, Owner, Thing};
use crate::sys::stop::StopFlag;
use crate::sys::terminal;
use crate::sys::words::counted;

/// The lock, the ledger and the stand. If a session is dropped without [`Session::end`], the next command undoes its
/// changes.
#[derive(Debug)]
pub struct Session<H = Inventory> {
    stand: Box<dyn Stand<Hosts = H>>,
    stop: StopFlag,
    ledger: Ledger,
    /// The hosts, once they are up.
    hosts: Option<H>,
    /// Whether the hosts were up before this command.
    attached: bool,
    /// The difference between the earlier hosts and the requested ones.
    other: Option<String>,
    /// The process that the hosts belong to, if a command for that process raised them.
    owner: Option<Owner>,
    /// Whether another command of the same owner had raised the hosts before this one.
    shared: bool,
    /// The remains of an earlier command that this one has undone.
    cleared: Vec<Thing>,
    // This field drops last: whoever waits for the lock finds everything else done.
    lock: Arc<Lock>,
}

impl<H> Session<H> {
    /// Takes the lock, clears what a killed run left, and finds hosts that were left up on purpose. Standard error names
    /// what it cleared.
    pub fn begin(stand: Box<dyn Stand<Hosts = H>>, stop: StopFlag) -> Result<Session<H>> {
        Session::begin_for(stand, stop, None)
    }

    /// [`Session::begin`] for one of several commands of `owner` that share hosts: the one that raises them leaves them to
    /// the others, for as long as `owner` lives.
    pub fn begin_for(
        stand: Box<dyn Stand<Hosts = H>>,
        stop: StopFlag,
        owner: Option<Owner>,
    ) -> Result<Session<H>> {
        if let Some(why) = stand.needs().root.filter(|_| !nix::unistd::geteuid().is_root()) {
            return Err(Failure::new("work on this machine", why)
                .try_next("run it as root, or install sudo: multivm then uses it by itself"));
        }
        Session::begin_in(&stand.state(), stand, stop, owner)
    }

    fn begin_in(
        directory: &Path,
        stand: Box<dyn Stand<Hosts = H>>,
        stop: StopFlag,
        owner: Option<Owner>,
    ) -> Result<Session<H>> {
        let lock = Lock::take(directory)?;
        let ledger = Ledger::open_with(directory, put_back)?;
        ledger.renew(|on_host| stand.login(on_host))?;
        let mut session = Session {
            stand,
            stop,
            ledger,
            hosts: None,
            attached: false,
            other: None,
            owner,
            shared: false,
            cleared: Vec::new(),
            lock: Arc::new(lock),
        };
        session.say_when_it_ends()?;
        session.refuse_another_kind(directory)?;
        match session.standing() {
            Some(standing) => session.attach(standing)?,
            None => session.cleared = session.reap()?,
        }
        Ok(session)
    }

    /// Notes in the lock as soon as this command is told to stop, so that the next command waits for its end.
    fn say_when_it_ends(&self) -> Result<()> {
        let (lock, stop) = (Arc::downgrade(&self.lock), self.stop.clone());
        let wait = move || {
            stop.wait();
            if let Some(lock) = lock.upgrade() {
                // Without the note the next command is refused, as beside any running command.
                let _ = lock.say_ending();
            }
        };
        let attempted = || "start the thread that waits for the end".to_owned();
        thread::Builder::new().name("end".into()).spawn(wait).map(drop).attempting(attempted)
    }

    /// Hosts of another kind that were left up on purpose stay, and this command cannot use them.
    fn refuse_another_kind(&self, directory: &Path) -> Result<()> {
        let up = StandKind::of(&self.ledger.outstanding(), directory);
        let Some(wanted) = self.stand.kind().filter(|wanted| self.is_kept() && up != *wanted) else {
            return Ok(());
        };
        let attempted = format!("work with {}", wanted.row().hosts);
        Err(Failure::new(attempted, format!("{}, and stay up", up.row().are_up))
            .try_next("multivm lab down, then run again"))
    }

    /// Whether hosts were left up on purpose and are still whole.
    fn is_kept(&self) -> bool {
        self.ledger.is_kept() && is_whole(&self.ledger.outstanding())
    }

    /// Hosts that were left up on purpose and are still whole.
    fn standing(&self) -> Option<Standing<H>> {
        if self.is_kept() { self.stand.standing().ok() } else { None }
    }

    fn attach(&mut self, standing: Standing<H>) -> Result<()> {
        // This must come first: the next entry in the ledger removes the note.
        let shared = self.owner.is_some() && self.ledger.kept_until() == self.owner;
        match standing {
            Standing::Other(_, why) if shared => {
                // One such case is a test that wants a stack of its own.
                terminal::say(&format!(
                    "multivm: the lab of this run is another one ({why}); raising another"
                ));
                return self.ledger.undo_all().into_iter().next().map_or(Ok(()), Err);
            }
            Standing::Other(hosts, why) => {
                self.hosts = Some(hosts);
                self.other = Some(why);
            }
            Standing::Same(hosts) => self.hosts = Some(hosts),
        }
        (self.attached, self.shared) = (true, shared);
        Ok(())
    }

    /// Undoes what an earlier command left, and returns it.
    fn reap(&self) -> Result<Vec<Thing>> {
        let left = self.ledger.outstanding();
        if left.is_empty() {
            return Ok(left);
        }
        terminal::say(&format!("multivm: clearing what an earlier run left behind: {}", summary(&left)));
        match self.ledger.undo_all().into_iter().next() {
            None => Ok(left),
            Some(failure) => Err(failure.or_try_next("multivm reap, when the cause is gone")),
        }
    }

    /// Makes the images of hosts, and moves this thread to where it can reach the hosts. The caller starts no thread that
    /// talks to hosts before this.
    pub fn prepare(&mut self) -> Result<()> {
        if let Some(why) = &self.other {
            return Err(Failure::new("use the lab that is up", why.clone())
                .try_next("multivm lab down, then run again; or ask for what the lab is made of"));
        }
        let ground = Ground { ledger: &self.ledger, stop: &self.stop };
        let before = match (self.attached, self.shared) {
            (false, _) => FoundHosts::Down,
            (true, true) => FoundHosts::Up,
            (true, false) => FoundHosts::Foreign,
        };
        self.stand.prepare(ground, before)
    }

    /// Returns the hosts. If they are not up, this first raises them with room for `guests_memory`, the memory of all
    /// guests together in bytes.
    pub fn raise(&mut self, guests_memory: u64) -> Result<&H> {
        let hosts = match self.hosts.take() {
            Some(inventory) => inventory,
            None => {
                let ground = Ground { ledger: &self.ledger, stop: &self.stop };
                self.stand.raise(ground, guests_memory)?
            }
        };
        Ok(self.hosts.insert(hosts))
    }

    /// The hosts, if they are up.
    pub fn hosts(&self) -> Option<&H> {
        self.hosts.as_ref()
    }

    /// What the hosts are made of, in one line; none before the stand knows it.
    pub fn facts(&self) -> Option<String> {
        self.stand.facts()
    }

    /// Restarts the daemons of hosts that have ended, and returns their names.
    pub fn mend(&mut self) -> Result<Vec<String>> {
        let ground = Ground { ledger: &self.ledger, stop: &self.stop };
        self.stand.mend(ground)
    }

    /// Checks that the hosts have what they had when they were raised. Hosts that this command may not raise anew are as
    /// whoever left them up wants them.
    ///
    /// # Errors
    ///
    /// They have something more or less, or cannot be looked at.
    pub fn are_as_raised(&mut self) -> Result<()> {
        if self.is_others() { Ok(()) } else { self.stand.are_as_raised() }
    }

    /// Whether the hosts were left up by a command of somebody else: they stay.
    fn is_others(&self) -> bool {
        self.attached && !self.shared
    }

    /// Takes the hosts down so that they can be raised again, and leaves what this process stands on.
    pub fn clear_hosts(&mut self) -> Result<()> {
        if self.is_others() {
            return Err(Failure::new("rebuild the lab", "it was left up by an earlier command, whose it is")
                .try_next("multivm lab down, then run again"));
        }
        self.hosts = None;
        (self.attached, self.shared) = (false, false);
        let ground = Ground { ledger: &self.ledger, stop: &self.stop };
        self.stand.clear(ground).into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether another command of the same owner had raised the hosts before this one.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The process whose lifetime bounds how long the hosts stay up; none if they stay without end, or are not up.
    pub fn until(&self) -> Option<Owner> {
        self.ledger.kept_until()
    }

    /// Whether the hosts were up before this command.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// The remains of a killed run that [`Session::begin`] found and undid.
    pub fn cleared(&self) -> &[Thing] {
        &self.cleared
    }

    /// Everything that [`Session::down`] would remove.
    pub fn things(&self) -> Vec<Thing> {
        self.ledger.outstanding()
    }

    /// What this command has to make things with that are not the hosts'.
    pub fn ground(&self) -> Ground<'_> {
        Ground { ledger: &self.ledger, stop: &self.stop }
    }

    /// The flag that ends this command early.
    pub fn stop_flag(&self) -> &StopFlag {
        &self.stop
    }

    /// Leaves the hosts up after this command.
    pub fn keep(mut self) -> Result<()> {
        self.ledger.keep()?;
        self.stand.leave().into_iter().next().map_or(Ok(()), Err)
    }

    /// Leaves the hosts up for as long as a process lives.
    pub fn keep_until(mut self, owner: &Owner) -> Result<()> {
        self.ledger.keep_until(owner)?;
        self.stand.leave().into_iter().next().map_or(Ok(()), Err)
    }

    /// Ends this command's hold: takes down what it raised, or leaves it to the owner's next command. Hosts that were up
    /// before stay.
    pub fn end(self) -> Vec<Failure> {
        if self.is_others() {
            return Vec::new();
        }
        match self.owner.clone() {
            // Interrupted, the owner ends as well: there is no next command.
            Some(owner) if self.hosts.is_some() && !self.stop.is_set() => {
                self.keep_until(&owner).err().into_iter().collect()
            }
            _ => self.down(),
        }
    }

    /// Takes everything down, no matter which command raised it.
    pub fn down(mut self) -> Vec<Failure> {
        let ground = Ground { ledger: &self.ledger, stop: &self.stop };
        self.stand.down(ground)
    }
}

impl Session<Inventory> {
    /// The hosts, if they are up.
    pub fn inventory(&self) -> Option<&Inventory> {
        self.hosts()
    }

    /// The hosts' images and the guests' accelerator in one line; none before the stand knows them.
    pub fn stack(&self) -> Option<String> {
        let up =
            || Some(format!("{}, {}", self.stand.kind()?.row().that_are_up, self.inventory()?.accelerator));
        if self.attached { up().or_else(|| self.facts()) } else { self.facts() }
    }
}

/// Whether every process and network namespace of a ledger still exists.
pub(super) fn is_whole(things: &[Thing]) -> bool {
    things.iter().all(Thing::is_there)
}

/// A list in words: "3 processes, 3 network namespaces, 4 control groups, 1 directory".
pub fn summary(things: &[Thing]) -> String {
    let count = |one: &str, many: &str, matches: fn(&Thing) -> bool| {
        let number = things.iter().filter(|thing| matches(thing)).count();
        (number > 0).then(|| counted(number, one, many))
    };
    let parts = [
        count("process", "processes", |thing| matches!(thing, Thing::Process { .. })),
        count("network namespace", "network namespaces", |thing| {
            matches!(thing, Thing::NetworkNamespace { .. })
        }),
        count("control group", "control groups", |thing| matches!(thing, Thing::Cgroup { .. })),
        count("controller setting", "controller settings", |thing| {
            matches!(thing, Thing::CgroupController { .. })
        }),
        count("directory", "directories", |thing| matches!(thing, Thing::Directory { .. })),
        count("changed host", "changed hosts", |thing| matches!(thing, Thing::Host(_))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::inventory::Login;
    use crate::stand::Needs;
    use crate::sys::parallel::locked;
    use crate::sys::wait::{Poll, wait_for};

    /// A stand whose hosts are a directory in the ledger. It notes its calls.
    #[derive(Debug, Clone)]
    struct Paper {
        directory: PathBuf,
        asked: Arc<Mutex<Vec<String>>>,
        /// The suite of the stand's hosts.
        suite: &'static str,
    }

    impl Paper {
        fn note(&self, what: impl Into<String>) {
            locked(&self.asked).push(what.into());
        }

        fn inventory_path(&self) -> PathBuf {
            self.directory.join("hosts/inventory.json")
        }
    }

    fn inventory(suite: &str) -> Inventory {
        let login = serde_json::to_string(&Login::of_root("198.18.0.11", 22, "k", "h")).unwrap();
        let host = format!(
            r#"{{"name": "h", "login": {login}, "cpu_percent": 200, "memory": 1, "load_folder": "/l", "uri": "test:///default",
                "facts": {{"suite": "{suite}"}}}}"#
        );
        let text = format!(
            r#"{{"owner": "o", "source": {host}, "target": {host},
                "storage": {{"name": "s", "login": {login}, "server": "s", "export": "e", "base_image": "b"}},
                "guests": {{"kernel": "k", "initramfs": "i", "bridge": "b", "addresses": "198.18.1.0/24", "netmask": "n",
                            "gateway": "g", "key": "k", "public_key": "p", "known_hosts": "h", "host_key": "k"}},
                "accelerator": {{"kind": "tcg", "reason": "for a test"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    impl Stand for Paper {
        type Hosts = Inventory;

        fn kind(&self) -> Option<StandKind> {
            Some(StandKind::Lab)
        }

        fn needs(&self) -> Needs {
            Needs { root: None }
        }

        fn standing(&self) -> Result<Standing<Inventory>> {
            let text = std::fs::read_to_string(self.inventory_path())
                .map_err(|error| Failure::new("find", error))?;
            let found: Inventory =
                serde_json::from_str(&text).map_err(|error| Failure::new("read", error))?;
            let suite = &found.source.facts["suite"];
            Ok(if *suite == self.suite {
                Standing::Same(found)
            } else {
                let why = format!("it is of {suite}");
                Standing::Other(found, why)
            })
        }

        fn prepare(&mut self, _: Ground<'_>, before: FoundHosts) -> Result<()> {
            self.note(format!("prepare {before:?}"));
            Ok(())
        }

        fn raise(&mut self, ground: Ground<'_>, guests_memory: u64) -> Result<Inventory> {
            self.note(format!("raise {guests_memory}"));
            let path = self.inventory_path();
            let folder = path.parent().unwrap();
            ground.ledger.enter(Thing::Directory { path: folder.to_owned() })?;
            std::fs::create_dir_all(folder).unwrap();
            let inventory = inventory(self.suite);
            std::fs::write(&path, serde_json::to_string(&inventory).unwrap()).unwrap();
            Ok(inventory)
        }

        fn mend(&mut self, _: Ground<'_>) -> Result<Vec<String>> {
            self.note("mend");
            Ok(Vec::new())
        }

        fn are_as_raised(&self) -> Result<()> {
            self.note("look");
            Ok(())
        }

        fn clear(&mut self, ground: Ground<'_>) -> Vec<Failure> {
            self.note("clear");
            ground.ledger.undo_all()
        }

        fn down(&mut self, ground: Ground<'_>) -> Vec<Failure> {
            self.note("down");
            ground.ledger.undo_all()
        }

        fn facts(&self) -> Option<String> {
            Some(self.suite.to_owned())
        }
    }

    struct StateFolder {
        root: tempfile::TempDir,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl StateFolder {
        fn new() -> StateFolder {
            StateFolder { root: tempfile::tempdir().unwrap(), asked: Arc::default() }
        }

        fn begin(&self, suite: &'static str, owner: Option<Owner>) -> Result<Session> {
            let directory = self.root.path().join("state");
            let stand = Paper { directory: directory.clone(), asked: Arc::clone(&self.asked), suite };
            Session::begin_in(&directory, Box::new(stand), StopFlag::new(), owner)
        }

        /// A command that raises hosts, up to their use.
        fn raised(&self, owner: Option<Owner>) -> Session {
            let mut session = self.begin("trixie", owner).unwrap();
            session.prepare().unwrap();
            session.raise(5).unwrap();
            session
        }

        fn asked(&self) -> Vec<String> {
            locked(&self.asked).drain(..).collect()
        }

        fn has_hosts(&self) -> bool {
            self.root.path().join("state/hosts").exists()
        }
    }

    fn me() -> Owner {
        Owner::of(std::process::id() as i32).unwrap()
    }

    #[test]
    fn what_a_command_raises_goes_with_it() {
        let place = StateFolder::new();
        let session = place.raised(None);
        assert!(place.has_hosts() && !session.is_attached());
        assert_eq!(session.end(), []);
        assert!(!place.has_hosts());
        assert_eq!(place.asked(), ["prepare Down", "raise 5", "down"]);
    }

    #[test]
    fn a_command_that_is_told_to_stop_says_so_to_the_next() {
        let place = StateFolder::new();
        let session = place.raised(None);
        let is_ending = || Lock::holder(&place.root.path().join("state")).unwrap().ending;
        assert!(!is_ending());
        session.stop_flag().set();
        let said = wait_for("the lock to say so", Duration::from_secs(10), &StopFlag::new(), || {
            if is_ending() { Poll::Ready(()) } else { Poll::NotYet("it goes on".into()) }
        });
        assert_eq!(said, Ok(()));
        assert_eq!(session.end(), []);
    }

    #[test]
    fn hosts_that_are_kept_are_used_and_left_up() {
        let place = StateFolder::new();
        place.raised(None).keep().unwrap();
        place.asked();
        let session = place.raised(None);
        assert!(session.is_attached() && !session.is_shared());
        assert!(session.stack().unwrap().starts_with("the lab that is up"));
        assert_eq!(session.end(), []);
        assert!(place.has_hosts());
        assert_eq!(place.asked(), ["prepare Foreign"]);
    }

    #[test]
    fn hosts_that_are_kept_are_not_rebuilt() {
        let place = StateFolder::new();
        place.raised(None).keep().unwrap();
        let mut session = place.raised(None);
        assert!(session.clear_hosts().unwrap_err().to_string().contains("multivm lab down"));
        assert!(place.has_hosts());
    }

    #[test]
    fn only_hosts_that_may_be_raised_anew_must_be_as_they_were() {
        let place = StateFolder::new();
        let mut own = place.raised(None);
        own.are_as_raised().unwrap();
        own.keep().unwrap();
        assert_eq!(place.asked(), ["prepare Down", "raise 5", "look"]);
        place.raised(None).are_as_raised().unwrap();
        assert_eq!(place.asked(), ["prepare Foreign"]);
    }

    #[test]
    fn hosts_of_another_kind_are_refused_and_stay() {
        let place = StateFolder::new();
        place.raised(None).keep().unwrap();
        let mut session = place.begin("bookworm", None).unwrap();
        let refused = session.prepare().unwrap_err().to_string();
        assert!(refused.contains("it is of trixie") && refused.contains("multivm lab down"), "{refused}");
        session.end();
        assert!(place.has_hosts());
        // A command that takes the hosts down needs no stack of its own.
        assert_eq!(place.begin("bookworm", None).unwrap().down(), []);
        assert!(!place.has_hosts());
    }

    #[test]
    fn hosts_of_another_stand_are_refused_and_stay() {
        let place = StateFolder::new();
        let machines = place.root.path().join("state/machines");
        let ledger = Ledger::open(&place.root.path().join("state")).unwrap();
        ledger.enter(Thing::Directory { path: machines.clone() }).unwrap();
        std::fs::create_dir_all(&machines).unwrap();
        ledger.keep().unwrap();
        let refused = place.begin("trixie", None).unwrap_err().to_string();
        assert!(
            refused.contains("the machine hosts are up") && refused.contains("multivm lab down"),
            "{refused}"
        );
        assert!(machines.exists());
        // Nobody wants what a killed command left.
        ledger.enter(Thing::Directory { path: machines.join("more") }).unwrap();
        place.begin("trixie", None).unwrap().end();
        assert!(!machines.exists());
    }

    #[test]
    fn commands_of_one_owner_share_hosts() {
        let place = StateFolder::new();
        assert_eq!(place.raised(Some(me())).end(), []);
        assert!(place.has_hosts(), "the owner's next command uses them");
        let mut second = place.raised(Some(me()));
        assert!(second.is_shared());
        second.clear_hosts().unwrap();
        second.raise(6).unwrap();
        assert_eq!(second.end(), []);
        let expected = ["prepare Down", "raise 5", "prepare Up", "clear", "raise 6"];
        assert_eq!(place.asked(), expected);
    }

    #[test]
    fn an_owner_that_wants_another_kind_gets_it() {
        let place = StateFolder::new();
        place.raised(Some(me())).end();
        let mut session = place.begin("bookworm", Some(me())).unwrap();
        assert!(!place.has_hosts() && !session.is_attached());
        session.prepare().unwrap();
        assert_eq!(session.raise(5).unwrap().source.facts["suite"], "bookworm");
        session.down();
    }

    #[test]
    fn an_interrupted_owner_leaves_nothing() {
        let place = StateFolder::new();
        let session = place.raised(Some(me()));
        session.stop_flag().set();
        assert_eq!(session.end(), []);
        assert!(!place.has_hosts());
    }

    #[test]
    fn what_a_killed_command_left_is_cleared_by_the_next() {
        let place = StateFolder::new();
        drop(place.raised(None));
        assert!(place.has_hosts());
        let session = place.begin("trixie", None).unwrap();
        assert!(!place.has_hosts() && !session.is_attached());
        assert_eq!(session.cleared().len(), 1);
    }
}
