//! `multivm lab ssh`: enters the lab's network, then one of its machines.

use std::os::unix::process::CommandExt;
use std::process::Command;

use multivm::failure::Failure;
use multivm::guest;
use multivm::ledger::state_directory;
use multivm::stand::{StandKind, Status, become_root, summary};

use crate::problem::{Answer, Problem};

#[derive(clap::Args)]
pub struct Arguments {
    /// source, target, storage, or a guest: vm1, vm2, ...
    #[arg(value_name = "MACHINE", value_parser = parse)]
    machine: LabMachine,
    /// Command to run there instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A machine of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LabMachine {
    /// A host that ssh's configuration knows by name.
    Host(String),
    /// A guest of the fleet, by its number.
    Guest(u32),
}

fn parse(name: &str) -> Result<LabMachine, String> {
    if ["source", "target", "storage"].contains(&name) {
        return Ok(LabMachine::Host(name.to_owned()));
    }
    name.strip_prefix("vm")
        // "vm01" would be a second name of vm1.
        .filter(|digits| !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|number| *number <= guest::FLEET_MAX)
        .map(LabMachine::Guest)
        .ok_or_else(|| format!("allowed: source, target, storage, vm1 to vm{}", guest::FLEET_MAX))
}

/// Starts ssh in the lab without the lock: a user may want a shell while a run goes on.
pub fn run(arguments: &Arguments) -> Answer {
    become_root()?;
    let status = Status::look(&state_directory())?;
    let up = StandKind::of(&status.things, &state_directory());
    let Some(shell) = &up.made().shell else {
        let cause = format!("{} instead, which any ssh reaches", up.row().are_up);
        return Err(Failure::new("reach the lab", cause)
            .try_next("multivm lab status, which says how")
            .into());
    };
    let inventory = (shell.running)()?;
    if !status.whole {
        return Err(Problem::from(
            Failure::new("reach the lab", format!("only a part of it is left: {}", summary(&status.things)))
                .try_next("multivm lab up, which clears it first"),
        ));
    }
    (shell.enter)()?;
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg((shell.ssh_config)());
    let name = match &arguments.machine {
        LabMachine::Host(name) => name.clone(),
        LabMachine::Guest(number) => {
            // ssh's configuration cannot turn a guest's number into an address.
            ssh.arg("-o").arg(format!("HostName={}", guest::address(*number, &inventory)?));
            format!("vm{number}")
        }
    };
    let error = ssh.arg(&name).arg("--").args(&arguments.command).exec();
    Err(Failure::new(format!("start ssh to {name}"), error).try_next("./setup installs ssh").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_one_name_each() {
        assert_eq!(parse("target"), Ok(LabMachine::Host("target".into())));
        assert_eq!(parse("vm200"), Ok(LabMachine::Guest(200)));
        for wrong in ["vm", "vm0", "vm01", "vm201", "vm+1", "vm1000", "1", "host", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
