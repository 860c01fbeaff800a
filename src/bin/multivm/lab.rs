//! `multivm lab`: a lab by hand, or machine hosts, which stay up between commands.

mod machines;
mod ssh;
mod status;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use multivm::doctor::supply;
use multivm::failure::Result;
use multivm::guest::{Fleet, GuestNews, Need};
use multivm::inventory::Inventory;
use multivm::ledger::{Owner, state_directory};
use multivm::progress::terminal;
use multivm::scenario::Profile;
use multivm::stand::lab::{Lab, running};
use multivm::stand::machines::MachineHosts;
use multivm::stand::{
    STAND_VARIABLE, Session, Stand, StandKind, Status, become_root, summary, take_down_after,
};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use crate::problem::{Answer, Problem, settings};
use crate::scenarios::ProfileChoice;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Raise the lab with its guests and leave it up; later runs use it
    Up(UpArguments),
    /// Take the lab down
    Down,
    /// Say what is up, and who is at work
    Status,
    /// Open a shell on a host or a guest of the lab, or run a command there
    Ssh(ssh::Arguments),
}

#[derive(clap::Args)]
pub struct UpArguments {
    /// What is raised: lab, or machines, two whole virtual machines with a KVM of their own, which come without guests
    #[arg(long, value_name = "KIND", env = STAND_VARIABLE, default_value_t = StandKind::Lab)]
    kind: StandKind,
    /// Take it down when this process ends, whatever way it ends: `--until-exit $$` is the shell that it is typed in
    #[arg(long, value_name = "PID", value_parser = living)]
    until_exit: Option<Owner>,
    #[command(flatten)]
    profile: ProfileChoice,
}

/// The living process with a given pid.
fn living(pid: &str) -> Result<Owner, String> {
    pid.parse()
        .ok()
        .filter(|pid| *pid > 0)
        .and_then(Owner::of)
        .ok_or_else(|| "allowed: the pid of a process that runs".to_owned())
}

pub fn run(command: Command) -> Answer {
    match command {
        Command::Up(arguments) => match arguments.kind {
            StandKind::Lab => up(&arguments),
            StandKind::Machines => machines::up(&arguments),
        },
        Command::Down => match held()? {
            StandKind::Lab => down(Box::new(Lab::new(settings()?)), "The lab is"),
            StandKind::Machines => down(Box::new(MachineHosts::new(settings()?)), "The machine hosts are"),
        },
        Command::Status => status::run(),
        Command::Ssh(arguments) => ssh::run(&arguments),
    }
}

/// The kind of the hosts that are up, or that something is left of.
pub fn held() -> Result<StandKind, Problem> {
    let directory = state_directory();
    Ok(StandKind::of(&Status::look(&directory)?.things, &directory))
}

fn up(arguments: &UpArguments) -> Answer {
    let settings = settings()?;
    let (_, profile) = arguments.profile.read()?;
    let refusal = Need::at_rest(&profile).refusal("the lab", |profile| supply(&settings, profile));
    refusal.map_or(Ok(()), |refusal| Err(Problem::input(refusal)))?;
    let log = settings.store.cache.join("keeper.log");
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop, terminal::say)?;
    let begin = Instant::now();
    let mut session = Session::begin(Box::new(Lab::new(settings)), stop)?;
    if session.is_attached() {
        let reach = reach(&running()?);
        let text = match (session.until(), &arguments.until_exit) {
            // The lab was to go with another process, and this command asks for it without an end.
            (Some(_), None) => {
                session.keep()?;
                format!("The lab is up already, and stays up now.\n\n{reach}")
            }
            (Some(until), Some(_)) => format!("The lab is up already, until {until} ends.\n\n{reach}"),
            (None, Some(_)) => format!("The lab is up already, and stays up: `multivm lab down`.\n\n{reach}"),
            (None, None) => format!("The lab is up already.\n\n{reach}"),
        };
        return crate::say(&text);
    }
    if let Some(owner) = &arguments.until_exit {
        // The keeper starts before the lab rises, because it also clears the remains of a killed raise.
        take_down_after(owner, &log)?;
    }
    let inventory = raise(&mut session, &profile);
    let inventory = stays(session, inventory, arguments.until_exit.as_ref())?;
    let took = begin.elapsed().as_secs_f64();
    crate::say(&format!("The lab is up, after {took:.1} s.\n\n{}", reach(&inventory)))
}

/// Leaves hosts up that were raised, without end or as long as a process lives. Half of them is of no use to anybody, and goes down again.
fn stays<H, T>(session: Session<H>, raised: Result<T>, until: Option<&Owner>) -> Result<T, Problem> {
    match raised {
        Ok(raised) => {
            match until {
                Some(owner) => session.keep_until(owner)?,
                None => session.keep()?,
            }
            Ok(raised)
        }
        Err(failure) => {
            let mut failures = vec![failure];
            failures.extend(session.end());
            Err(Problem::Failed(failures))
        }
    }
}

/// Raises everything that belongs to a permanent lab.
fn raise(session: &mut Session, profile: &Profile) -> Result<Inventory> {
    session.prepare()?;
    let inventory = session.raise(profile.guests_memory())?.clone();
    // The fleet holds only connections: the guests stay when it is dropped.
    let fleet = Fleet::start(&inventory, profile, session.stop_flag(), Arc::new(say), &|_, _| {})?;
    if let Some(warning) = fleet.hosts.warning() {
        eprintln!("multivm: warning: {warning}");
    }
    Ok(inventory)
}

/// Reports news of starting guests on standard error.
fn say(news: GuestNews<'_>) {
    match news {
        GuestNews::Answering { .. } | GuestNews::Waiting { .. } => {}
        GuestNews::Panicked { guest, panic } => eprintln!("multivm: {}: {panic}", guest.name),
        GuestNews::StartedAgain { guest, why } => {
            eprintln!("multivm: {} is started a second time: {why}", guest.name)
        }
    }
}

/// Takes hosts down. What `subject` says of them begins a sentence.
fn down<H>(stand: Box<dyn Stand<Hosts = H>>, subject: &str) -> Answer {
    become_root()?;
    let session = Session::begin(stand, StopFlag::new())?;
    if !session.is_attached() {
        let text = match session.cleared() {
            [] => "No lab is up.\n".to_owned(),
            cleared => format!("No whole lab was up; what was left of one is gone: {}.\n", summary(cleared)),
        };
        session.end();
        return crate::say(&text);
    }
    let things = session.things();
    let failures = session.down();
    if !failures.is_empty() {
        return Err(Problem::Failed(failures));
    }
    crate::say(&format!("{subject} down. Gone: {}.\n", summary(&things)))
}

/// Instructions for reaching the machines of the lab.
fn reach(inventory: &Inventory) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<12}  {what}");
    };
    for host in [&inventory.source, &inventory.target] {
        let fact = |name: &str| host.facts.get(name).map_or("unknown", String::as_str);
        let what = format!(
            "{}  {}: libvirt {}, QEMU {}; {} CPUs, {} MiB",
            host.login.address,
            fact("suite"),
            fact("libvirt_package"),
            fact("qemu_package"),
            fact("cpus"),
            fact("memory_mib")
        );
        line(&host.name, &what);
    }
    line(
        &inventory.storage.name,
        &format!("{}  NFS export {}", inventory.storage.login.address, inventory.storage.export),
    );
    line("accelerator", &inventory.accelerator.to_string());
    text.push_str(
        "\n  multivm lab ssh source          a shell on a host (also target, storage; guests: vm1, vm2, ...)\n  \
         multivm lab ssh source -- virsh list --all\n  \
         multivm lab down                take it down\n",
    );
    text
}
