//! Makes a command root's on a machine whose login is another user.

use std::borrow::Cow;

use super::password::Password;
use super::quote;
use crate::inventory::Sudo;

/// A command, and what goes in front of its input.
pub struct Privileged<'a> {
    pub command: Cow<'a, str>,
    pub input: Vec<u8>,
}

/// The line of the input at which the command's own input begins.
const BEGIN: &str = "multivm: input";

/// Makes a shell command root's. `password` is that of the user, where sudo wants one.
///
/// sudo may not ask for the password, as when a rule says so, and then leaves it in the command's input. So a shell of root's
/// reads up to a line of ours before the command begins. Without a terminal, sudo reads byte for byte to the end of the
/// line, and so does a shell's `read`.
pub fn privileged<'a>(sudo: Sudo, command: &'a str, password: Option<&Password>) -> Privileged<'a> {
    match (sudo, password) {
        (Sudo::Nopasswd, _) => Privileged {
            command: format!("exec sudo -n -- sh -c {}", quote(command)).into(),
            input: Vec::new(),
        },
        (Sudo::Password, Some(password)) => {
            let script = format!(
                "while IFS= read -r line; do [ \"$line\" = {} ] && break; done; {command}",
                quote(BEGIN)
            );
            Privileged {
                command: format!("exec sudo -k -S -p '' -- sh -c {}", quote(&script)).into(),
                input: format!("{}\n{BEGIN}\n", password.reveal()).into_bytes(),
            }
        }
        _ => Privileged { command: command.into(), input: Vec::new() },
    }
}
