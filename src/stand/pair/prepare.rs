//! The preparation of a pair: from what the inventory says to hosts on which guests can start.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::change::{self, Change};
use super::describe::{self, GuestNetwork, PreparedPair};
use super::kept::KeptMasters;
use super::overlay::VxlanOverlay;
use super::ssh::LoginFiles;
use super::{
    Catalogue, ChosenPair, Examine, ExaminedHost, PairHost, guests, keys, lease, listed, masters, packages,
    postcopy, server, shared, state, storage,
};
use crate::failure::{Attempt, Failure, Result};
use crate::image::GuestImage;
use crate::inventory::file::{Consent, Network, Pair, Server, SharedStorage};
use crate::inventory::{Access, ImageEntry, Inventory, Login, Sudo};
use crate::ledger::{HostChanges, Thing};
use crate::remote::{Facts, Remote, agent_directories, quote};
use crate::stand::{Ground, keys as key_files};
use crate::sys::parallel::at_once;

/// How long the copy of one file may take.
const COPY_LIMIT: Duration = Duration::from_secs(300);

/// Where the guests' images are, once everything is mounted.
struct ImagesPlace {
    /// The folder, the same on both hosts.
    images: String,
    /// The folder in which the base image is written, on the first of these hosts.
    written: (usize, String),
}

/// What guests are to boot from.
#[derive(Clone, Copy)]
pub struct WantedGuests<'a> {
    /// The image that multivm builds.
    pub image: &'a GuestImage,
    /// The catalogue of the other images, if there is one.
    pub catalogue: Option<&'a Catalogue>,
    /// The folder of this machine that has the hashes of their files.
    pub cache: &'a Path,
}

/// The images on the pair's storage.
struct BroughtImages {
    /// The images' folder, the same on both hosts.
    folder: String,
    /// The catalogue's images.
    entries: Vec<ImageEntry>,
}

/// Prepares a pair, and returns what scenarios are played by. `tools` is a tree with a server of NFS, for a pair whose images this machine serves.
pub fn prepare(
    chosen: &ChosenPair,
    examine: &Examine,
    wanted: WantedGuests<'_>,
    tools: Option<&Path>,
    folder: &Path,
    ground: Ground<'_>,
) -> Result<Inventory> {
    let mut asked = examine(chosen, None)?;
    let run = key_files::uuid()?;
    fresh(folder, ground)?;
    let files = LoginFiles::create(folder, &run)?;
    let key = key_files::public_half(&files.key())?;
    // The ledger ends it after the hosts, which have mounted from it.
    let here = match (&chosen.pair.storage, tools) {
        (SharedStorage::ServeOn(Server::Controller), Some(tools)) => {
            let address = server::serve(&chosen.pair, tools, folder, ground)?;
            Some(Served { address, folder: server::served_folder(folder) })
        }
        _ => None,
    };
    take(&sides(chosen, &asked), chosen, &run, folder, ground)?;
    if install(&sides(chosen, &asked), chosen, &run)? {
        // Only now do they say what their libvirt and QEMU can do.
        asked = examine(chosen, Some(&run))?;
    }
    interrupted(ground)?;
    let taken = TakenPair { chosen, sides: sides(chosen, &asked), run: &run, here };
    let (network, overlay) = network(chosen, &taken.sides, &run)?;
    taken.make_ready(&key, overlay.as_ref(), ground)?;
    let images = taken.bring(wanted, ground)?;
    interrupted(ground)?;
    let guest_key = key_files::read(&wanted.image.directory.join("host_key.pub"))?.trim().to_owned();
    let inventory = taken.describe(&files, images, network, &guest_key)?;
    let text = serde_json::to_string_pretty(&inventory).attempting(|| "write the inventory".into())?;
    key_files::write(&folder.join("inventory.json"), &text, 0o600)?;
    Ok(inventory)
}

/// A pair that is this run's, and whose hosts have everything installed.
struct TakenPair<'a> {
    chosen: &'a ChosenPair,
    sides: [PairHost<'a>; 2],
    run: &'a str,
    /// The storage on this machine, if the images are here.
    here: Option<Served>,
}

/// A folder that this machine serves.
struct Served {
    /// The address at which hosts find it.
    address: Ipv4Addr,
    folder: PathBuf,
}

impl TakenPair<'_> {
    fn make(&self, remote: &Remote, changes: &[Change]) -> Result<()> {
        change::make(remote, self.run, changes, &self.chosen.pair.allow, change::LIMIT)
    }

    /// Makes all changes of both hosts that need nothing mounted, and joins them by the overlay.
    fn make_ready(&self, key: &str, overlay: Option<&VxlanOverlay>, ground: Ground<'_>) -> Result<()> {
        let admits = self.chosen.pair.allow.contains(&Consent::Firewall);
        both(&self.sides, |at, remote| {
            let mut changes = first(self.chosen, &self.sides, at, key, self.run);
            changes.extend(overlay.into_iter().flat_map(|overlay| overlay.changes(at, admits)));
            self.make(remote, &changes)
        })?;
        interrupted(ground)?;
        let Some(overlay) = overlay else { return Ok(()) };
        overlay.join(ground)?;
        overlay.prove(&self.sides, ground.stop)
    }

    /// Mounts the storage, and brings what guests boot from.
    fn bring(&self, wanted: WantedGuests<'_>, ground: Ground<'_>) -> Result<BroughtImages> {
        let WantedGuests { image, catalogue, .. } = wanted;
        let mount = mount(&self.chosen.pair, self.here.as_ref().map(|here| here.address));
        both(&self.sides, |_, remote| {
            self.make(remote, mount.as_slice())?;
            upload(remote, image, guests::FOLDER, &["vmlinux", "initramfs"])
        })?;
        // A folder that was there before has been tried in the examination.
        if mount.is_some() {
            let hosts = self.sides.each_ref().map(|side| (&side.remote, side.facts));
            shared::prove(hosts, storage::MOUNT)?;
        }
        let ImagesPlace { images, written: (at, folder) } = place(self.chosen, self.run);
        if !matches!(self.chosen.pair.storage, SharedStorage::ServeOn(_)) {
            self.make(&self.sides[0].remote, &[storage::folder(&images)])?;
        }
        let entries = listed::entries(catalogue, describe::BASE_IMAGE)?;
        match &self.here {
            // By a host, they would come over the network and go back to where they were.
            Some(here) => {
                copy_base_image(image, &here.folder)?;
                listed::copy(catalogue, &entries, &here.folder, ground)?;
            }
            None => self.send(at, &folder, wanted, &entries, ground)?,
        }
        Ok(BroughtImages { folder: images, entries })
    }

    /// Sends the images to a folder of one of the hosts.
    fn send(
        &self,
        at: usize,
        folder: &str,
        WantedGuests { image, catalogue, cache }: WantedGuests<'_>,
        entries: &[ImageEntry],
        ground: Ground<'_>,
    ) -> Result<()> {
        let remote = &self.sides[at].remote;
        upload(remote, image, folder, &[describe::BASE_IMAGE])?;
        interrupted(ground)?;
        let place = masters::MastersPlace { remote, folder, kept: kept(&self.chosen.pair), cache };
        listed::bring(catalogue, entries, |master, file| place.bring(master, file, ground.stop))
    }

    /// The inventory of the pair, with whose hosts and guests its logins are known.
    fn describe(
        &self,
        files: &LoginFiles,
        images: BroughtImages,
        network: GuestNetwork,
        guest_key: &str,
    ) -> Result<Inventory> {
        let sides = &self.sides;
        let slowness = describe::slowness(sides);
        let logins = [0, 1].map(|at| Login { slowness, ..login(&sides[at], files, self.chosen) });
        let inventory = describe::inventory(&PreparedPair {
            pair: &self.chosen.pair,
            sides,
            files,
            logins,
            owner: self.run,
            images: &images.folder,
            entries: images.entries,
            network,
            guest_key,
        })?;
        // A guest is known by its address, whichever of these keys it has.
        let seeded = inventory.guests.seeded_key.as_ref().map(|key| key.public.as_str());
        let keys = [Some(guest_key), seeded];
        let of = |address| keys.into_iter().flatten().map(move |key| format!("{address} {key}\n"));
        let known: String = inventory.guests.addresses.hosts().flat_map(of).collect();
        files.write(sides, &known)?;
        Ok(inventory)
    }
}

/// Installs what is missing on the hosts, if multivm may and can; says whether there was something.
fn install(sides: &[PairHost<'_>; 2], chosen: &ChosenPair, run: &str) -> Result<bool> {
    let Pair { allow, .. } = &chosen.pair;
    let changes = [0, 1].map(|at| {
        let facts = sides[at].facts;
        let missing = packages::missing(&chosen.pair, at == 0, facts);
        packages::change(&missing, facts).filter(|_| allow.contains(&Consent::Packages))
    });
    both(sides, |at, remote| match &changes[at] {
        Some(change) => change::make(remote, run, std::slice::from_ref(change), allow, packages::LIMIT),
        None => Ok(()),
    })?;
    Ok(changes.iter().any(Option::is_some))
}

/// The guests' network, and the overlay if it is one that is to be made.
fn network(
    chosen: &ChosenPair,
    sides: &[PairHost<'_>; 2],
    run: &str,
) -> Result<(GuestNetwork, Option<VxlanOverlay>)> {
    match &chosen.pair.network {
        Network::Bridge { bridge, subnet, guests, gateway } => {
            let gateway = gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
            let bridge = bridge.clone();
            Ok((GuestNetwork { bridge, subnet: *subnet, guests: *guests, gateway, mtu: None }, None))
        }
        Network::Overlay(subnet) => {
            let overlay = VxlanOverlay::of(*subnet, run, sides)?;
            let network = GuestNetwork {
                bridge: overlay.bridge(),
                subnet: *subnet,
                guests: overlay.guests(),
                gateway: String::new(),
                mtu: Some(overlay.mtu()),
            };
            Ok((network, Some(overlay)))
        }
        Network::Nat => {
            Err(Failure::new("attach guests to the network of this pair", "`nat` is read and refused"))
        }
    }
}

fn sides<'a>(chosen: &'a ChosenPair, asked: &'a [ExaminedHost; 2]) -> [PairHost<'a>; 2] {
    let machines = chosen.machines();
    [0, 1].map(|at| {
        let ExaminedHost { remote, identity, facts } = &asked[at];
        let (name, machine) = machines[at];
        PairHost { name, machine, remote: remote.clone(), identity: identity.clone(), facts }
    })
}

/// Does something on both hosts at the same time.
fn both(sides: &[PairHost<'_>; 2], work: impl Fn(usize, &Remote) -> Result<()> + Sync) -> Result<()> {
    let hosts = [(0, &sides[0].remote), (1, &sides[1].remote)];
    at_once("prepare a host", hosts, |(at, remote)| work(at, remote)).into_iter().collect()
}

fn interrupted(ground: Ground<'_>) -> Result<()> {
    if ground.stop.is_set() {
        return Err(Failure::new("prepare the hosts", crate::failure::Cause::interrupted()));
    }
    Ok(())
}

/// Takes both hosts: the ledger first, then the lease with what the host is like now. The host that serves is entered first, so that it is
/// put back last.
fn take(
    sides: &[PairHost<'_>; 2],
    chosen: &ChosenPair,
    run: &str,
    folder: &Path,
    ground: Ground<'_>,
) -> Result<()> {
    both(sides, |_, remote| match lease::Lease::of(remote)? {
        Some(lease) => Err(lease.refusal(remote.name())),
        None => Ok(()),
    })?;
    let holder = holder();
    let order = if serving(chosen) == Some(1) { [1, 0] } else { [0, 1] };
    for at in order {
        let side = &sides[at];
        let login = chosen.login(&side.machine.address)?;
        let on_host = HostChanges {
            name: side.name.to_owned(),
            address: side.machine.address.clone(),
            login,
            run: run.to_owned(),
            before: before(folder, side.name),
        };
        ground.ledger.enter(Thing::Host(on_host))?;
    }
    both(sides, |at, remote| {
        let seen = state::HostState::of(remote)?;
        lease::take(remote, run, &holder, &seen)?;
        key_files::write(&before(folder, sides[at].name), seen.text(), 0o600)
    })
}

/// The file, among those of the run, with what a host was like before.
fn before(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("before-{name}"))
}

/// The holder of a lease, for people.
fn holder() -> String {
    let name = nix::unistd::gethostname()
        .map_or_else(|_| "a machine without a name".to_owned(), |name| name.to_string_lossy().into_owned());
    format!("process {} of {name}", std::process::id())
}

/// The host that serves the storage.
fn serving(chosen: &ChosenPair) -> Option<usize> {
    match chosen.pair.storage {
        SharedStorage::ServeOn(Server::Source) => Some(0),
        SharedStorage::ServeOn(Server::Target) => Some(1),
        _ => None,
    }
}

fn place(chosen: &ChosenPair, run: &str) -> ImagesPlace {
    let own = format!("multivm-{run}");
    match &chosen.pair.storage {
        SharedStorage::Mount(folder) => {
            let images = format!("{}/{own}", describe::text(folder));
            ImagesPlace { written: (0, images.clone()), images }
        }
        SharedStorage::Export { .. } => {
            let images = format!("{}/{own}", storage::MOUNT);
            ImagesPlace { written: (0, images.clone()), images }
        }
        // A host that serves writes the base image to its own disk.
        SharedStorage::ServeOn(_) => ImagesPlace {
            images: storage::MOUNT.to_owned(),
            written: serving(chosen)
                .map_or((0, storage::MOUNT.to_owned()), |at| (at, storage::EXPORT.to_owned())),
        },
    }
}

/// The masters that may stay in the pair's storage.
fn kept(pair: &Pair) -> Option<KeptMasters> {
    let gib = pair.keep_gib?;
    match &pair.storage {
        SharedStorage::Mount(folder) => Some(KeptMasters::of(&describe::text(folder), gib)),
        SharedStorage::Export { .. } => Some(KeptMasters::of(storage::MOUNT, gib)),
        SharedStorage::ServeOn(_) => None,
    }
}

/// The changes of a host before anything is mounted.
fn first(chosen: &ChosenPair, sides: &[PairHost<'_>; 2], at: usize, key: &str, run: &str) -> Vec<Change> {
    let (machine, peer) = (sides[at].machine, sides[1 - at].machine);
    let allows = |consent| chosen.pair.allow.contains(&consent);
    let mut changes = Vec::new();
    if matches!(machine.access, Access::Password(_)) {
        changes.push(keys::change(&machine.user, &format!("ssh-ed25519 {key}"), run));
    }
    if serving(chosen) == Some(at) {
        let clients = [&*machine.storage_address, &*peer.storage_address];
        changes.extend(storage::serve(&clients, run));
        if allows(Consent::Firewall) {
            changes.push(storage::admit(&peer.storage_address));
        }
    }
    // Where guests' disks are on NFS.
    if is_nfs(chosen, sides[at].facts) {
        changes.push(guests::selinux());
    }
    if postcopy::Userfaultfd::of(sides[at].facts) == postcopy::Userfaultfd::Forbidden {
        changes.push(postcopy::allow());
    }
    changes.push(guests::files());
    if allows(Consent::Firewall) {
        changes.push(guests::ports(&peer.migration_address, &describe::ports(sides[at].facts)));
    }
    changes.push(guests::logs(key, &place(chosen, run).images));
    changes.push(guests::guests(run));
    changes.push(guests::programs(&agent_directories()));
    changes.push(guests::loads(run));
    changes
}

fn is_nfs(chosen: &ChosenPair, facts: &Facts) -> bool {
    match chosen.pair.storage {
        SharedStorage::Mount(_) => facts.one("folder_type").is_some_and(|kind| kind.starts_with("nfs")),
        SharedStorage::Export { .. } | SharedStorage::ServeOn(_) => true,
    }
}

/// The mount on both hosts, from `here` if this machine serves; none if it is there already.
fn mount(pair: &Pair, here: Option<Ipv4Addr>) -> Option<Change> {
    match &pair.storage {
        SharedStorage::Mount(_) => None,
        SharedStorage::Export { server, path } => Some(storage::mount(server, &describe::text(path))),
        SharedStorage::ServeOn(Server::Controller) => {
            here.map(|here| storage::mount(&here.to_string(), server::EXPORT))
        }
        SharedStorage::ServeOn(server) => {
            let host = if *server == Server::Target { &pair.target } else { &pair.source };
            Some(storage::mount(&host.storage_address, storage::EXPORT))
        }
    }
}

/// Copies the image that multivm builds into a folder of this machine.
fn copy_base_image(image: &GuestImage, folder: &Path) -> Result<()> {
    let [from, to] = [&*image.directory, folder].map(|folder| folder.join(describe::BASE_IMAGE));
    let attempted = || format!("copy {} to {}", from.display(), to.display());
    fs::copy(&from, &to).attempting(attempted)?;
    fs::set_permissions(&to, Permissions::from_mode(0o644)).attempting(attempted)
}

/// Copies files of the guests' image into a folder of a host. A file gets its name when it is complete.
fn upload(remote: &Remote, image: &GuestImage, folder: &str, names: &[&str]) -> Result<()> {
    for name in names {
        let path = image.directory.join(name);
        let content = fs::read(&path).attempting(|| format!("read {}", path.display()))?;
        let to = format!("{folder}/{name}");
        let (to, part) = (quote(&to).into_owned(), format!("{to}.part"));
        let part = quote(&part);
        let command = format!("cat > {part} && chmod 644 {part} && mv {part} {to}");
        remote.check_with_input(&command, &content, COPY_LIMIT)?;
    }
    Ok(())
}

/// The login of everything that multivm does on a host from here on.
fn login(side: &PairHost<'_>, files: &LoginFiles, chosen: &ChosenPair) -> Login {
    let login = side.machine.login(&chosen.known_hosts);
    // Where sudo asks for the login's password, it goes on with the password.
    let by_key = matches!(login.access, Access::Password(_)) && login.sudo != Sudo::Password;
    let access = if by_key { Access::Key(files.key()) } else { login.access };
    Login { access, trust: super::ssh::trust(&side.identity), ..login }
}

/// Removes a folder of a run's files, and makes it anew.
fn fresh(folder: &Path, ground: Ground<'_>) -> Result<()> {
    let thing = Thing::Directory { path: folder.to_owned() };
    if !ground.ledger.outstanding().contains(&thing) {
        ground.ledger.enter(thing)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder).attempting(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).attempting(|| format!("create {}", folder.display()))?;
    LoginFiles::protect(folder)
}
