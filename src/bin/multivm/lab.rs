//! `multivm lab`: a lab by hand, or machine hosts, which stay up between commands.

mod arguments;
mod bare;
mod raising;
mod ready;
mod ssh;
mod status;

use multivm::ledger::state_directory;
use multivm::stand::{NewHosts, Session, Stand, StandKind, Status, become_root, summary};
use multivm::sys::inherited;
use multivm::sys::stop::StopFlag;

use crate::problem::{Answer, Problem, settings};
use arguments::UpArguments;

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

pub fn run(command: Command) -> Answer {
    match command {
        Command::Up(arguments) => {
            // What is raised stays when this command is over.
            inherited::close_all()?;
            match arguments.kind.made().new {
                NewHosts::Ready(new) => ready::up(new, &arguments),
                NewHosts::Bare(new) => bare::up(new, &arguments),
            }
        }
        Command::Down => {
            let kind = held()?;
            match kind.made().new {
                NewHosts::Ready(new) => down(kind, new(settings()?)),
                NewHosts::Bare(new) => down(kind, new(settings()?)),
            }
        }
        Command::Status => status::run(),
        Command::Ssh(arguments) => ssh::run(&arguments),
    }
}

/// The kind of the hosts that are up, or that something is left of.
pub fn held() -> Result<StandKind, Problem> {
    let directory = state_directory();
    Ok(StandKind::of(&Status::look(&directory)?.things, &directory))
}

/// Takes hosts of that kind down.
fn down<H>(kind: StandKind, stand: Box<dyn Stand<Hosts = H>>) -> Answer {
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
    crate::say(&format!("{} down. Gone: {}.\n", kind.row().they_are, summary(&things)))
}
