//! Makes a command root's on a machine whose login is another user.

use std::borrow::Cow;

use super::password::Password;
use super::quote;

/// A command, and what goes in front of its input.
pub struct Privileged<'a> {
    pub command: Cow<'a, str>,
    pub input: Vec<u8>,
}

/// The line of the input at which the command's own input begins.
const BEGIN: &str = "multivm: input";

/// The way in which a user becomes root, as a machine answered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The user is root, or stays what it is.
    Plain,
    /// sudo asks for nothing.
    Sudo,
    /// sudo asks for the user's password.
    SudoWithPassword,
}

/// The command that tells whether sudo asks for a password: it would not get one.
pub const ASKS_NOTHING: &str = "sudo -n true";

/// The command that tells whether sudo takes the password on its input, of which it gets nothing else: each further line would be
/// another guess, and a few of them lock an account.
pub const TAKES_PASSWORD: &str = "sudo -k -S -p '' true";

/// Shell commands of root's that set `caller` to the address from which the user has logged in, or to nothing. sudo takes the variable
/// away that has it; sudo itself, a process above the shell, still has the variable. What sshd itself has is of whoever started it.
pub const CALLER: &str = r#"caller=
process=$$
while [ -z "$caller" ] && [ "${process:-1}" -gt 1 ]; do
    case $(cat "/proc/$process/comm" 2> /dev/null) in sshd*) break ;; esac
    caller=$(tr '\0' '\n' < "/proc/$process/environ" 2> /dev/null | sed -n 's/^SSH_CONNECTION=\([^ ]*\) .*/\1/p')
    process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status" 2> /dev/null)
done
"#;

/// Makes a shell command root's.
///
/// sudo may not ask for the password after all, as when a rule says so for this command, and then leaves it in the command's input.
/// So a shell of root's reads up to a line of ours before the command begins. Without a terminal, sudo reads byte for byte to the end
/// of the line, and so does a shell's `read`.
pub fn privileged<'a>(way: Way, command: &'a str, password: Option<&Password>) -> Privileged<'a> {
    match (way, password) {
        (Way::SudoWithPassword, Some(password)) => {
            let script = format!(
                "while IFS= read -r line; do [ \"$line\" = {} ] && break; done; {command}",
                quote(BEGIN)
            );
            Privileged {
                command: format!("exec sudo -k -S -p '' -- sh -c {}", quote(&script)).into(),
                input: format!("{}\n{BEGIN}\n", password.reveal()).into_bytes(),
            }
        }
        (Way::Sudo | Way::SudoWithPassword, _) => Privileged {
            command: format!("exec sudo -n -- sh -c {}", quote(command)).into(),
            input: Vec::new(),
        },
        (Way::Plain, _) => Privileged { command: command.into(), input: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::password::Password;

    #[test]
    fn a_command_is_as_it_is_for_who_needs_no_sudo() {
        let plain = privileged(Way::Plain, "id", None);
        assert_eq!((&*plain.command, plain.input.len()), ("id", 0));
    }

    #[test]
    fn a_password_is_on_the_input_and_in_no_command() {
        let password = Password::of_a_test("hunter2");
        let sent = privileged(Way::SudoWithPassword, "cat 'it'", Some(&password));
        assert!(!sent.command.contains("hunter2") && sent.command.starts_with("exec sudo -k -S "));
        assert_eq!(sent.input, format!("hunter2\n{BEGIN}\n").as_bytes());
        assert!(privileged(Way::Sudo, "id", Some(&password)).input.is_empty());
    }
}
