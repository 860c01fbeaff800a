//! A server of NFS on this machine, for a pair whose images are to lie here: Ganesha, a program of a lab host's image, in a tree and in
//! namespaces of its own. This machine needs no server, and nothing of its own is changed.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::overlay::Uplink;
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::inventory::file::Pair;
use crate::ledger::{Ledger, Thing};
use crate::stand::Ground;
use crate::sys::contained;
use crate::sys::resolve::resolve;
use crate::sys::wait::{Poll, wait_for};

/// The path by which hosts mount the folder.
pub const EXPORT: &str = "/export";

/// The server in the ledger.
const WHAT: &str = "NFS server for the hosts of a pair";

/// The port of NFS 4.
const PORT: u16 = 2049;

/// How long the server may take to listen.
const LIMIT: Duration = Duration::from_secs(30);

/// How long a host's name may take to be resolved.
const NAME_LIMIT: Duration = Duration::from_secs(20);

const CONF: &str = include_str!("../../../fixtures/storage/controller.conf");

/// Starts the server in the tree. Nothing of it is mounted before the ledger has the process: then a line comes.
const SCRIPT: &str = r#"
    read -r go || exit 1
    set -e
    root=$1 own=$2
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    for folder in mnt run var/lib/nfs; do mount -t tmpfs multivm "$root/$folder"; done
    mkdir -p "$root/mnt/own" "$root/mnt/export" "$root/run/ganesha" "$root/var/lib/nfs/ganesha"
    mount --bind "$own" "$root/mnt/own"
    mount --bind "$own/export" "$root/mnt/export"
    exec chroot "$root" /usr/bin/ganesha.nfsd -F -L /mnt/own/log -f /mnt/own/conf -p /run/ganesha.pid < /dev/null
"#;

/// The address of this machine at which both hosts of a pair find its storage.
///
/// # Errors
///
/// There is none for both.
pub fn address(pair: &Pair) -> Result<Ipv4Addr> {
    let uplink = Uplink::to([&*pair.source.storage_address, &*pair.target.storage_address]);
    uplink.map(|uplink| uplink.address).map_err(|failure| {
        failure.try_next(
            "`storage_address` of both hosts in one network of this machine; or `export` of another server",
        )
    })
}

/// Whether nobody serves at an address of this machine.
///
/// # Errors
///
/// Somebody does.
pub fn is_free(address: Ipv4Addr) -> Result<()> {
    let place = SocketAddr::from((address, PORT));
    let Err(error) = TcpListener::bind(place) else { return Ok(()) };
    let attempted = format!("serve the images at {place}");
    let failure = Failure::new(attempted, Cause::new(FailureKind::Refused, error.to_string()));
    Err(failure.try_next(
        "does this machine serve NFS already, or another run of multivm here (`multivm lab status`)? Then export a folder to both hosts there, and say `export = \"SERVER:/PATH\"`",
    ))
}

/// Serves a folder below `folder` to both hosts of a pair from this machine, by the programs of `tree`, until the ledger undoes it.
/// Returns the address at which they find it.
pub fn serve(pair: &Pair, tree: &Path, folder: &Path, ground: Ground<'_>) -> Result<Ipv4Addr> {
    let here = address(pair)?;
    is_free(here)?;
    let clients = [&pair.source.storage_address, &pair.target.storage_address].map(|host| client(host));
    let [source, target] = clients;
    let own = own(folder);
    let export = served_folder(folder);
    fs::create_dir_all(&export).attempting(|| format!("create {}", export.display()))?;
    // QEMU's user goes through it.
    fs::set_permissions(&export, Permissions::from_mode(0o755))
        .attempting(|| format!("open {}", export.display()))?;
    let conf = conf(here, [source?, target?]);
    let path = own.join("conf");
    fs::write(&path, conf).attempting(|| format!("write {}", path.display()))?;
    listen(tree, &own, here, ground)?;
    Ok(here)
}

/// The folder of the server's own files, among those of a run.
fn own(folder: &Path) -> PathBuf {
    folder.join("server")
}

/// The folder that is served, among the files of a run.
pub fn served_folder(folder: &Path) -> PathBuf {
    own(folder).join("export")
}

/// Starts the server again that served a folder below `folder`, if it has ended, and returns its name.
///
/// # Errors
///
/// It does not start, or somebody else serves at its address.
pub fn mend(tree: &Path, folder: &Path, ground: Ground<'_>) -> Result<Vec<String>> {
    let own = own(folder);
    let path = own.join("conf");
    if !has_ended(ground.ledger) || !path.exists() {
        return Ok(Vec::new());
    }
    let conf = fs::read_to_string(&path).attempting(|| format!("read {}", path.display()))?;
    let here = address_in(&conf)
        .ok_or("it names no address")
        .attempting(|| format!("start the NFS server of {} again", path.display()))?;
    is_free(here)?;
    listen(tree, &own, here, ground)?;
    Ok(vec!["the NFS server of this machine".to_owned()])
}

/// Whether a server was started, and all that were have ended. One that this process started is there until somebody takes note of its end.
fn has_ended(ledger: &Ledger) -> bool {
    let things = ledger.outstanding();
    let servers: Vec<(i32, bool)> = things
        .iter()
        .filter_map(|thing| match thing {
            Thing::Process { pid, what, .. } if what == WHAT => Some((*pid, thing.is_there())),
            _ => None,
        })
        .collect();
    for (pid, _) in servers.iter().filter(|(_, lives)| !lives) {
        // Of another process's child, that one takes note.
        let _ = waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG));
    }
    !servers.is_empty() && servers.iter().all(|(_, lives)| !lives)
}

/// The address at which a server with this configuration listens.
fn address_in(conf: &str) -> Option<Ipv4Addr> {
    let (_, rest) = conf.split_once("Bind_addr = ")?;
    rest.split(';').next()?.parse().ok()
}

/// Starts the server with the configuration among its own files, and waits until it listens.
fn listen(tree: &Path, own: &Path, here: Ipv4Addr, ground: Ground<'_>) -> Result<()> {
    let mut child = start(tree, own, ground)?;
    wait_for("this machine's NFS server to listen", LIMIT, ground.stop, || {
        if let Ok(Some(status)) = child.try_wait() {
            return Poll::Never(
                format!("it ended with {status}; it said at last: {}", last_words(own)).into(),
            );
        }
        match TcpStream::connect_timeout(&(here, PORT).into(), Duration::from_secs(1)) {
            Ok(_) => Poll::Ready(()),
            Err(error) => Poll::again(error),
        }
    })
}

/// Starts the server's process, which the ledger ends.
fn start(tree: &Path, own: &Path, Ground { ledger, .. }: Ground<'_>) -> Result<Child> {
    let attempted = || "start an NFS server on this machine".to_owned();
    let said = own.join("said");
    let said = File::create(&said).attempting(|| format!("create {}", said.display()))?;
    let mut command = contained::command("sh");
    command
        .args(["-c", SCRIPT, "sh"])
        .args([tree, own])
        .stdin(Stdio::piped())
        .stdout(said.try_clone().attempting(attempted)?)
        .stderr(said)
        .current_dir("/")
        // Ctrl-C is for multivm, which puts the hosts back first.
        .process_group(0);
    let mut child = command.spawn().attempting(attempted)?;
    let stdin = child.stdin.take();
    Thing::process(child.id() as i32, WHAT).and_then(|thing| ledger.enter(thing)).inspect_err(|_| {
        // Without the line that it waits for, it ends by itself.
        let _ = child.kill();
    })?;
    let mut stdin = stdin.ok_or("it has no standard input").attempting(attempted)?;
    stdin.write_all(b"go\n").attempting(attempted)?;
    Ok(child)
}

/// The address by which the server knows a host.
fn client(host: &str) -> Result<IpAddr> {
    let attempted = || format!("find the address of {host}");
    let all = resolve(host, PORT, NAME_LIMIT).attempting(attempted)?;
    let found = all.iter().map(SocketAddr::ip).find(IpAddr::is_ipv4);
    found.ok_or_else(|| Failure::new(attempted(), "it has none by IPv4"))
}

fn conf(here: Ipv4Addr, clients: [IpAddr; 2]) -> String {
    let clients = clients.map(|client| client.to_string()).join(", ");
    CONF.replace("ADDRESS", &here.to_string()).replace("CLIENTS", &clients)
}

/// The end of what the server has said.
fn last_words(own: &Path) -> String {
    let said: String =
        ["log", "said"].iter().map(|name| fs::read_to_string(own.join(name)).unwrap_or_default()).collect();
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::stop::StopFlag;

    #[test]
    fn two_hosts_alone_are_let_in() {
        let [here, source, target] =
            ["192.0.2.1", "192.0.2.11", "192.0.2.12"].map(|text| text.parse().unwrap());
        let conf = conf(here, [source.into(), target.into()]);
        assert!(conf.contains("CLIENT { Clients = 192.0.2.11, 192.0.2.12; Access_Type = RW; }"), "{conf}");
        assert!(conf.contains("    Access_Type = None;\n"), "nobody else");
        assert!(conf.contains("Bind_addr = 192.0.2.1;"), "{conf}");
        assert_eq!(address_in(&conf), Some(here));
    }

    #[expect(
        clippy::zombie_processes,
        reason = "who looks for servers that have ended takes note of their end"
    )]
    #[test]
    fn a_server_that_has_ended_is_noticed_and_nothing_of_it_stays() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        assert!(!has_ended(&ledger), "there is none");
        let mut other = Command::new("true").spawn().unwrap();
        let mut child = Command::new("sleep").arg("619.25").spawn().unwrap();
        let pid = child.id() as i32;
        ledger.enter(Thing::process(pid, WHAT).unwrap()).unwrap();
        assert!(!has_ended(&ledger), "it serves");
        child.kill().unwrap();
        let stat = format!("/proc/{pid}");
        let gone = || if has_ended(&ledger) { Poll::Ready(()) } else { Poll::NotYet("it lives".into()) };
        wait_for("its end to be noticed", LIMIT, &StopFlag::new(), gone).unwrap();
        assert!(!Path::new(&stat).exists(), "somebody took note of its end");
        assert!(other.wait().unwrap().success(), "a child that is no server is its parent's");
        let mut again = Command::new("sleep").arg("619.75").spawn().unwrap();
        ledger.enter(Thing::process(again.id() as i32, WHAT).unwrap()).unwrap();
        assert!(!has_ended(&ledger), "another one serves in its place");
        again.kill().unwrap();
        again.wait().unwrap();
    }

    #[test]
    fn nothing_is_started_where_no_server_was() {
        let (state, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ledger, stop) = (Ledger::open(state.path()).unwrap(), StopFlag::new());
        let ground = Ground { ledger: &ledger, stop: &stop };
        assert_eq!(mend(Path::new("/nowhere"), folder.path(), ground).unwrap(), [""; 0]);
    }

    #[test]
    fn an_address_that_somebody_serves_at_is_refused() {
        // If it is not this test's, it is somebody's.
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT));
        let failure = is_free(Ipv4Addr::LOCALHOST).unwrap_err().to_string();
        assert!(failure.contains("serve the images at 127.0.0.1:2049"), "{failure}");
        drop(taken);
    }
}
