//! The hosts that a run asks for: hosts that multivm makes, or a pair of an inventory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::doctor::pair::admit;
use crate::failure::{Cause, Failure, FailureKind, Problem, Result};
use crate::guest::WantedFleet;
use crate::inventory::catalogue::Catalogue;
use crate::inventory::file::InventoryFile;
use crate::ledger::Owner;
use crate::scenario::Profile;
use crate::stand::pair::{ChosenPair, Given, HostPair, forget_raised};
use crate::stand::{NewHosts, PAIR_LIMIT, STAND_VARIABLE, Session, Settings, StandKind};
use crate::sys::bounded;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;

/// The longest time for an examination of both hosts.
const EXAMINATION_LIMIT: Duration = Duration::from_secs(900);

/// Wanted hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedHosts {
    /// Hosts that multivm makes on this machine.
    Made(StandKind),
    Pair(Box<ChosenPair>),
}

impl WantedHosts {
    /// Reads the wish from the options of an inventory and from the environment, which `get` looks up.
    pub fn read(
        inventory: Option<&Path>,
        pair: Option<&str>,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<WantedHosts, Problem> {
        let kind = get(STAND_VARIABLE).filter(|value| !value.is_empty());
        let home = get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        match (inventory, kind) {
            (Some(path), None) => {
                let file = InventoryFile::load(path, home.as_deref())?;
                let chosen = ChosenPair::of(&file, pair)?;
                chosen.supported().map_err(Problem::input)?;
                Ok(WantedHosts::Pair(Box::new(chosen)))
            }
            (Some(path), Some(kind)) => Err(Problem::input(format!(
                "error: two kinds of hosts are asked for: the inventory {} and {STAND_VARIABLE}={kind}\n  = help: allowed: one of them",
                path.display()
            ))),
            (None, _) => StandKind::read(get).map(WantedHosts::Made).map_err(Problem::input),
        }
    }

    /// The profile of a run that names none.
    pub fn profile(&self) -> &'static str {
        match self {
            WantedHosts::Made(kind) => kind.row().profile,
            WantedHosts::Pair(_) => "reference",
        }
    }

    /// The file that lists the guests of these hosts, if an inventory names one.
    pub fn catalogue(&self) -> Option<&Path> {
        match self {
            WantedHosts::Made(_) => None,
            WantedHosts::Pair(chosen) => chosen.catalogue.as_deref(),
        }
    }

    /// Whether guests on these hosts take memory and CPU time of this machine directly.
    pub fn has_guests_here(&self) -> bool {
        matches!(self, WantedHosts::Made(kind) if kind.row().guests_here)
    }

    /// Refuses settings that these hosts cannot have.
    pub fn allow(&self, settings: &Settings) -> Result<()> {
        match self {
            WantedHosts::Made(kind) => (kind.made().allow)(settings),
            WantedHosts::Pair(_) => settings.have_guests_of_their_hosts(),
        }
    }

    /// The longest time in which the hosts are ready for guests, and the copies of a catalogue's images are made, if there is one.
    pub fn raise_limit(&self, catalogue: Option<&Catalogue>) -> Duration {
        let hosts = match self {
            WantedHosts::Made(kind) => kind.row().raise_limit,
            WantedHosts::Pair(_) => PAIR_LIMIT,
        };
        hosts + catalogue.map_or(Duration::ZERO, Catalogue::copies_limit)
    }

    /// A CPU of these hosts in hundredths of an ordinary one, before they are up and say what they have.
    pub fn cpu_percent(&self, settings: &Settings, guests_memory: u64) -> u32 {
        // Limits of hosts that nothing is known of are stretched as far as they go.
        if self.has_guests_here() { settings.host_size(guests_memory).cpu_percent } else { 10 }
    }

    /// Takes this machine's part of the hosts, for one of several commands of `owner`, if there is one.
    pub fn session(
        &self,
        settings: &Settings,
        profile: &Profile,
        stop: &StopFlag,
        owner: Option<Owner>,
    ) -> Result<Session> {
        let (profile, told) = (profile.clone(), stop.clone());
        let catalogue = settings.catalogue.clone();
        let examine = Box::new(move |chosen: &ChosenPair, run: Option<&str>| {
            let (chosen, profile, run) = (chosen.clone(), profile.clone(), run.map(str::to_owned));
            let catalogue = catalogue.clone();
            // It changes nothing, so that nobody needs to wait for it who was told to stop.
            bounded::answer(EXAMINATION_LIMIT, &told, move || {
                let fleet = WantedFleet { profile: &profile, catalogue: catalogue.as_ref() };
                admit(&chosen, fleet, run.as_deref(), |sentence| {
                    terminal::say(&format!("\nmultivm: {sentence}"))
                })
            })
            .unwrap_or_else(|| {
                let late = || Cause::new(FailureKind::TimedOut, "a host hangs");
                let cause = if told.is_set() { Cause::interrupted() } else { late() };
                Err(Failure::new("examine the hosts", cause))
            })
        });
        let given = match self {
            WantedHosts::Made(kind) => match kind.made().new {
                NewHosts::Ready(new) => {
                    return Session::begin_for(new(settings.clone()), stop.clone(), owner);
                }
                NewHosts::Bare(new) => {
                    let session = Session::begin_for(new(settings.clone()), stop.clone(), owner.clone())?;
                    if !session.is_attached() {
                        // Changes of hosts that have gone have gone with them.
                        forget_raised()
                            .or_else(|failures| failures.into_iter().next().map_or(Ok(Vec::new()), Err))?;
                    }
                    Given::Raised(Some(Box::new(session)))
                }
            },
            WantedHosts::Pair(chosen) => Given::File(chosen.clone()),
        };
        let pair = HostPair::new(given, settings.clone(), examine);
        Session::begin_for(Box::new(pair), stop.clone(), owner)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::inventory::catalogue::testing::catalogue_in;

    fn read(inventory: Option<&str>, stand: &str) -> Result<WantedHosts, Problem> {
        WantedHosts::read(inventory.map(Path::new), None, |name| {
            (name == STAND_VARIABLE).then(|| stand.to_owned())
        })
    }

    #[rstest]
    #[case::nothing("", StandKind::Lab)]
    #[case::the_lab("lab", StandKind::Lab)]
    #[case::machines("machines", StandKind::Machines)]
    fn the_environment_chooses(#[case] stand: &str, #[case] wanted: StandKind) {
        assert_eq!(read(None, stand).ok(), Some(WantedHosts::Made(wanted)));
    }

    #[test]
    fn hosts_of_every_kind_may_take_longer_for_copies() {
        let folder = tempfile::tempdir().unwrap();
        let text = "image = [{ name = 'a', file = 'disk', firmware = 'bios', identity = 'cloud-init', disk = 'copy' }]\n\
                    guest = [{ image = 'a', count = 2 }]";
        let catalogue = catalogue_in(folder.path(), text);
        for stand in StandKind::ALL {
            let hosts = WantedHosts::Made(*stand);
            assert_eq!(hosts.raise_limit(None), stand.row().raise_limit);
            assert_eq!(
                hosts.raise_limit(Some(&catalogue)),
                stand.row().raise_limit + Duration::from_secs(180)
            );
        }
    }

    #[test]
    fn an_inventory_is_a_wish_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        let text = "[[pair]]\nname = \"a\"\n[pair.source]\naddress = \"192.0.2.1\"\n[pair.target]\naddress = \"192.0.2.2\"\n\
                    [pair.storage]\nmount = \"/mnt\"\n[pair.network]\nbridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.2.128/25\"\n";
        std::fs::write(&path, text).unwrap();
        let wanted = read(path.to_str(), "").ok().unwrap();
        assert_eq!(wanted.profile(), "reference");
        assert!(matches!(wanted, WantedHosts::Pair(chosen) if chosen.pair.name == "a"));
        assert!(matches!(read(path.to_str(), "lab"), Err(Problem::Input(_))));
        let bridge = "bridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.2.128/25\"";
        std::fs::write(&path, text.replace(bridge, "nat = true")).unwrap();
        let refused = |why: &str| why.contains("`nat` is refused") && why.contains("`overlay = ");
        assert!(matches!(read(path.to_str(), ""), Err(Problem::Input(why)) if refused(&why)));
        for (was, is) in
            [(bridge, "overlay = \"198.18.40.0/24\""), ("mount = \"/mnt\"", "serve_on = \"controller\"")]
        {
            std::fs::write(&path, text.replace(was, is)).unwrap();
            assert!(read(path.to_str(), "").is_ok(), "{is}");
        }
    }
}
