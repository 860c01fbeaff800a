//! `multivm reap`: clears the remains of a killed run, on this machine and on hosts that it worked on.

use multivm::failure::Failure;
use multivm::ledger::HostChanges;
use multivm::stand::{NewHosts, Session, Stand, StandKind, become_root, pair, summary};
use multivm::sys::stop::StopFlag;

use crate::inventory::Choice;
use crate::lab::held;
use crate::problem::{Answer, Problem, settings};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    inventory: Choice,
    /// Also put hosts back whose controller was heard of a moment ago: nobody is at work there
    #[arg(long, requires = "inventory")]
    take_over: bool,
    /// Strike what the ledger here has of a host that is gone for good, by its address, without asking the host
    #[arg(long, value_name = "HOST", conflicts_with = "take_over")]
    forget: Option<String>,
}

/// Clears what killed runs left, but no hosts that are up on purpose.
pub fn run(arguments: &Arguments) -> Answer {
    if let Some(address) = &arguments.forget {
        become_root()?;
        return forget(address);
    }
    if let Some((file, wish)) = arguments.inventory.read()? {
        return put_back(&pair::ChosenPair::of(&file, wish.as_deref())?, arguments.take_over);
    }
    let settings = settings()?;
    become_root()?;
    // The hosts of a pair may be machines that this machine's own ledger has: they go last.
    forget_gone()?;
    let (hosts, mut failures) = clear_pairs();
    let kind = held()?;
    let machine = match kind.made().new {
        NewHosts::Ready(new) => reap(kind, new(settings)),
        NewHosts::Bare(new) => reap(kind, new(settings)),
    };
    let machine = match machine {
        Ok(machine) => machine,
        Err(Problem::Failed(more)) => {
            failures.extend(more);
            None
        }
        Err(problem) => return Err(problem),
    };
    if !failures.is_empty() {
        return Err(Problem::Failed(failures));
    }
    let text = match (hosts.as_str(), machine) {
        ("", None) => "Nothing is left of earlier runs.\n".to_owned(),
        (hosts, machine) => hosts.to_owned() + &machine.unwrap_or_default(),
    };
    crate::say(&text)
}

/// Strikes what ledgers of pairs have of hosts of multivm's that have gone: their changes have gone with them.
pub fn forget_gone() -> Result<(), Problem> {
    for address in StandKind::ALL.iter().flat_map(|kind| (kind.made().gone)()) {
        pair::forget(address).map_err(Problem::Failed)?;
    }
    Ok(())
}

/// Puts back the hosts of all pairs of which the ledgers here have something, and says what was.
fn clear_pairs() -> (String, Vec<Failure>) {
    let (mut text, mut failures) = (String::new(), Vec::new());
    for directory in pair::states() {
        match pair::clear(&directory) {
            Ok(things) if things.is_empty() => {}
            Ok(things) => text += &format!("Cleared: {}.\n", summary(&things)),
            Err(more) => failures.extend(more),
        }
    }
    (text, failures)
}

/// Strikes what the ledgers here have of a host, and says what is then left on it.
fn forget(address: &str) -> Answer {
    let forgotten = pair::forget(address).map_err(Problem::Failed)?;
    if forgotten.is_empty() {
        return Err(Problem::input(format!(
            "no ledger here has changes of a host {address}, or a run there is under way\n  = help: multivm lab status names what there is"
        )));
    }
    let runs: String = forgotten
        .iter()
        .map(|HostChanges { name, run, .. }| format!("  changes of the {name} by the run {run}\n"))
        .collect();
    crate::say(&format!(
        "Struck from the ledger, and not undone on {address}:\n{runs}\
         If that host lives, everything that was changed on it is still changed, and /var/lib/multivm/lease there has what takes it back: \
         `sh /var/lib/multivm/lease/undo`, as root on that host, or `multivm reap --inventory FILE` of a machine that can log in.\n"
    ))
}

/// Puts the hosts of a pair back, whichever machine has worked on them.
fn put_back(chosen: &pair::ChosenPair, take_over: bool) -> Answer {
    let mut failures: Vec<Failure> = Vec::new();
    let mut text = String::new();
    for (host, answer) in pair::reap(chosen, take_over) {
        match answer {
            Ok(Some(holder)) => text += &format!("{host}: put back; it was leased to {holder}\n"),
            Ok(None) => text += &format!("{host}: nothing is left of multivm\n"),
            Err(failure) => failures.push(failure),
        }
    }
    crate::say(&text)?;
    if failures.is_empty() { Ok(std::process::ExitCode::SUCCESS) } else { Err(Problem::Failed(failures)) }
}

/// Clears this machine, and says what was; nothing if nothing was. Hosts of that kind may be up on purpose.
fn reap<H>(kind: StandKind, stand: Box<dyn Stand<Hosts = H>>) -> Result<Option<String>, Problem> {
    let session = Session::begin(stand, StopFlag::new())?;
    let text = if session.is_attached() {
        Some(format!(
            "{} up on purpose, and nothing else is left: `multivm lab down` takes it down.\n",
            kind.row().they_are
        ))
    } else if session.cleared().is_empty() {
        None
    } else {
        Some(format!("Cleared: {}.\n", summary(session.cleared())))
    };
    let failures = session.end();
    if failures.is_empty() { Ok(text) } else { Err(Problem::Failed(failures)) }
}
