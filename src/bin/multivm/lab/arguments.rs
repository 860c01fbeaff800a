//! The arguments of `multivm lab up`, and what they say of hosts that were raised.

use multivm::failure::Result;
use multivm::ledger::Owner;
use multivm::stand::{STAND_VARIABLE, Session, StandKind};

use crate::problem::Problem;
use crate::scenarios::ProfileChoice;

#[derive(clap::Args)]
pub struct UpArguments {
    /// What is raised: lab, or machines, two whole virtual machines with a KVM of their own, which come without guests
    #[arg(long, value_name = "KIND", env = STAND_VARIABLE, default_value_t)]
    pub kind: StandKind,
    /// Take it down when this process ends, whatever way it ends: `--until-exit $$` is the shell that it is typed in
    #[arg(long, value_name = "PID", value_parser = living)]
    pub until_exit: Option<Owner>,
    #[command(flatten)]
    pub profile: ProfileChoice,
}

/// The living process with a given pid.
fn living(pid: &str) -> Result<Owner, String> {
    pid.parse()
        .ok()
        .filter(|pid| *pid > 0)
        .and_then(Owner::of)
        .ok_or_else(|| "allowed: the pid of a process that runs".to_owned())
}

/// Leaves hosts up that were raised, without end or as long as a process lives. Half of them is of no use to anybody, and goes down again.
pub fn stays<H>(session: Session<H>, raised: Result<()>, until: Option<&Owner>) -> Result<(), Problem> {
    match (raised, until) {
        (Ok(()), Some(owner)) => Ok(session.keep_until(owner)?),
        (Ok(()), None) => Ok(session.keep()?),
        (Err(failure), _) => {
            let mut failures = vec![failure];
            failures.extend(session.end());
            Err(Problem::Failed(failures))
        }
    }
}
