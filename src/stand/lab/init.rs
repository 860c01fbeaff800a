//! The two processes behind every lab host: one that enters the host's namespaces, and the host's init.
//!
//! Both are this program, started again with a hidden first argument. The first joins the control groups and the network
//! namespace, creates the other namespaces and starts the init. The init waits until the harness has entered it into the
//! ledger; then it lays the root file system, pivots into it, starts the daemons and reaps. The end of the init ends
//! everything in the host, as in every PID namespace.

// Standard error of these processes is the host's log.
#![allow(clippy::print_stderr)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, sethostname};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGCHLD, SIGHUP};
use signal_hook::iterator::Signals;

use super::root::{self, Bind};
use crate::failure::{Attempt, Failure, Result};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

const ENTER: &str = "__multivm-host-enter";
const INIT: &str = "__multivm-host-init";

/// How long a daemon may take to answer at its socket.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The specification of a host, for its init.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    pub hostname: String,
    /// Path of the network namespace.
    pub network: PathBuf,
    /// `cgroup.procs` files to join.
    pub joins: Vec<PathBuf>,
    /// An empty directory for the root file system, in the host's own mount namespace.
    pub root: PathBuf,
    /// The directories that make up the root file system, topmost first.
    pub layers: Vec<PathBuf>,
    pub binds: Vec<Bind>,
    /// The daemons, in the order of their start.
    pub daemons: Vec<HostDaemon>,
}

/// A daemon of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostDaemon {
    pub command: Vec<String>,
    /// Whether a restart of the daemon before this one restarts this one, too.
    pub with_the_one_before: bool,
    /// The socket that answers when the daemon is ready; the init starts the next daemon only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

impl HostDaemon {
    /// The name of the daemon's program.
    pub fn name(&self) -> String {
        let program = self.command.first().map(Path::new).and_then(Path::file_name);
        program.unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The ledger's name for the init of a host.
pub fn title(host: &str) -> String {
    format!("init of lab host {host}")
}

/// The log of a host's init.
pub fn log(lab: &Path, host: &str) -> PathBuf {
    lab.join(host).join("init.log")
}

/// The beginning of an init's answer to a request for restarts; the names of the restarted daemons follow.
pub const MENDED: &str = "started again:";

/// Answers the hidden arguments. Every program that may raise a lab calls this first in `main`.
pub fn hidden_entry() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next()?;
    let run = match role.as_str() {
        ENTER => enter,
        INIT => init,
        _ => return None,
    };
    let spec = arguments.next().unwrap_or_default();
    Some(match run(Path::new(&spec)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    })
}

/// A started host whose init waits for [`Waiting::release`].
pub struct Waiting {
    child: std::process::Child,
    /// The init's pid on this machine.
    pub init: i32,
}

/// Starts a host from the specification in `spec`; messages of both processes go to `log`.
pub fn start(spec: &Path, log: &Path) -> Result<Waiting> {
    let attempted = || format!("start the host of {}", spec.display());
    let program = std::env::current_exe().attempting(attempted)?;
    let log_file = File::create(log).attempting(|| format!("create {}", log.display()))?;
    let mut child = Command::new(program)
        .arg(ENTER)
        .arg(spec)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file)
        // Ctrl-C is for the harness, which takes the hosts down in order.
        .process_group(0)
        .spawn()
        .attempting(attempted)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        io::BufReader::new(stdout).read_line(&mut line).attempting(attempted)?;
    }
    match line.trim().parse() {
        Ok(init) => Ok(Waiting { child, init }),
        Err(_) => {
            let _ = child.wait();
            let said = fs::read_to_string(log).unwrap_or_default();
            Err(Failure::new(attempted(), said.trim())
                .try_next("multivm doctor says what this machine lacks"))
        }
    }
}

impl Waiting {
    /// Lets the init go on, once the ledger has it. Returns the parent process, which ends with the init.
    pub fn release(mut self) -> Result<std::process::Child> {
        let mut stdin = self
            .child
            .stdin
            .take()
            .ok_or_else(|| Failure::new("release a host's init", "its standard input is not a pipe"))?;
        stdin.write_all(b"go\n").attempting(|| "release a host's init".into())?;
        Ok(self.child)
    }
}

fn read(spec: &Path) -> Result<HostSpec> {
    let attempted = || format!("read {}", spec.display());
    serde_json::from_str(&fs::read_to_string(spec).attempting(attempted)?).attempting(attempted)
}

fn enter(path: &Path) -> Result<()> {
    let spec = read(path)?;
    for join in &spec.joins {
        fs::write(join, std::process::id().to_string()).attempting(|| format!("join {}", join.display()))?;
    }
    let network = File::open(&spec.network).attempting(|| format!("open {}", spec.network.display()))?;
    setns(network, CloneFlags::CLONE_NEWNET).attempting(|| "join the host's network namespace".into())?;
    let program = std::env::current_exe().attempting(|| "find this program".into())?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWPID,
    )
    .attempting(|| "create the host's mount, UTS, IPC and PID namespaces".into())?;
    let mut child = Command::new(program)
        .arg(INIT)
        .arg(path)
        .stdin(Stdio::inherit())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .attempting(|| "start the host's init".into())?;
    println!("{}", child.id());
    io::stdout().flush().attempting(|| "tell the init's pid".into())?;
    child.wait().attempting(|| "wait for the host's init".into())?;
    Ok(())
}

fn init(path: &Path) -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).attempting(|| "wait for the ledger".into())?;
    if line.trim() != "go" {
        return Err(Failure::new("start the host", "the harness ended before it was in the ledger"));
    }
    let spec = read(path)?;
    root::lay(&spec.root, &spec.layers, &spec.binds)?;
    sethostname(&spec.hostname).attempting(|| "set the host name".into())?;
    // The handler must exist before the first child, so that no end goes unseen.
    let mut signals = Signals::new([SIGCHLD, SIGHUP]).attempting(|| "listen for signals".into())?;
    let mut daemons = Daemons::start(spec.daemons)?;
    eprintln!("{}: init is up", spec.hostname);
    for signal in signals.forever() {
        daemons.reap();
        if signal == SIGHUP {
            eprintln!("{MENDED} {}", daemons.start_ended()?.join(", "));
        }
    }
    Ok(())
}

/// The daemons of a host, each with its pid while it runs.
struct Daemons(Vec<(HostDaemon, Option<Pid>)>);

impl Daemons {
    fn start(daemons: Vec<HostDaemon>) -> Result<Daemons> {
        let start = |daemon: HostDaemon| Ok((daemon.clone(), Some(start_daemon(&daemon)?)));
        daemons.into_iter().map(start).collect::<Result<_>>().map(Daemons)
    }

    /// Reaps every process of the host that has ended.
    fn reap(&mut self) {
        let any = Pid::from_raw(-1);
        // A stopped or continued child is still alive, so nothing has ended; without any child there is an error.
        while let Ok(status) = waitpid(any, Some(WaitPidFlag::WNOHANG)) {
            let Some(ended) = status.pid() else { return };
            let daemon = self.0.iter_mut().find(|(_, pid)| *pid == Some(ended));
            match daemon {
                Some((daemon, pid)) => {
                    eprintln!("{} ended: {status:?}", daemon.name());
                    *pid = None;
                }
                None => eprintln!("{status:?}"),
            }
        }
    }

    /// Restarts the daemons that have ended, and returns their names.
    fn start_ended(&mut self) -> Result<Vec<String>> {
        let ended: Vec<bool> = self.0.iter().map(|(_, pid)| pid.is_none()).collect();
        let wanted = |daemon: &HostDaemon| daemon.with_the_one_before;
        let with: Vec<bool> = self.0.iter().map(|(daemon, _)| wanted(daemon)).collect();
        let mut started = Vec::new();
        for number in to_start(&ended, &with) {
            let (daemon, pid) = &mut self.0[number];
            if let Some(running) = pid.take() {
                end_daemon(running, &daemon.name())?;
            }
            *pid = Some(start_daemon(daemon)?);
            started.push(daemon.name());
        }
        Ok(started)
    }
}

/// The daemons to start: those that have ended, and those that restart together with one of them.
fn to_start(ended: &[bool], with_the_one_before: &[bool]) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::new();
    for (number, (ended, with)) in ended.iter().zip(with_the_one_before).enumerate() {
        let follows = *with && number > 0 && numbers.last() == Some(&(number - 1));
        if *ended || follows {
            numbers.push(number);
        }
    }
    numbers
}

/// Ends a daemon that restarts together with another one. Its files and sockets are free when it is gone.
fn end_daemon(pid: Pid, name: &str) -> Result<()> {
    let attempted = || format!("end {name}");
    kill(pid, Signal::SIGKILL).attempting(attempted)?;
    waitpid(pid, None).map(drop).attempting(attempted)
}

fn start_daemon(daemon: &HostDaemon) -> Result<Pid> {
    let name = daemon.name();
    let (program, arguments) =
        daemon.command.split_first().ok_or_else(|| Failure::new("start a daemon", "it has no command"))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(format!("/var/log/multivm/{name}.log"))
        .attempting(|| format!("open the log of {name}"))?;
    let errors = log.try_clone().attempting(|| format!("open the log of {name}"))?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .attempting(|| format!("start {program}"))?;
    if let Some(socket) = &daemon.socket {
        wait_for(
            &format!("{name} to answer at {}", socket.display()),
            ANSWER_LIMIT,
            &StopFlag::new(),
            || match UnixStream::connect(socket) {
                Ok(_) => Poll::Ready(()),
                Err(error) => Poll::again(error),
            },
        )?;
    }
    Ok(Pid::from_raw(child.id() as i32))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_run(&[false, false, false], &[])]
    #[case::one_ended(&[true, false, false], &[0])]
    #[case::the_last_ended(&[false, false, true], &[2])]
    #[case::what_goes_with_it_is_started_anew(&[false, true, false], &[1, 2])]
    #[case::all_ended(&[true, true, true], &[0, 1, 2])]
    fn what_ended_and_what_goes_with_it_is_started(#[case] ended: &[bool], #[case] expected: &[usize]) {
        assert_eq!(to_start(ended, &[false, false, true]), expected);
    }

    #[test]
    fn a_daemon_has_the_name_of_its_program() {
        let command = ["/usr/bin/ganesha.nfsd", "-F"].map(str::to_owned).into();
        assert_eq!(HostDaemon { command, with_the_one_before: true, socket: None }.name(), "ganesha.nfsd");
    }
}
