//! Proves to a machine who we are.

use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::deadline::Deadline;
use super::password::{Kept, Password};
use crate::failure::{Cause, FailureKind, Result};
use crate::inventory::{Access, Login};
use crate::sys::bounded;
use crate::sys::stop::StopFlag;

/// Logs in to a session whose machine has proved its own identity.
pub(super) fn authenticate(
    session: &Session,
    login: &Login,
    password: &Kept,
    deadline: Deadline,
) -> Result<(), Cause> {
    let refused = match &login.access {
        Access::Key(key) => {
            deadline.bound(session)?;
            let tried = session.userauth_pubkey_file(&login.user, None, key, None);
            tried.map_err(|error| Cause::from(error).about(format!("key {}", key.display())))
        }
        Access::Agent => {
            // An agent may wait for a finger on a token; libssh2 asks it without a limit.
            let (session, user) = (session.clone(), login.user.clone());
            let asked = move || with_agent(&session, &user, deadline);
            let waited = bounded::answer(deadline.left()?, &StopFlag::new(), asked);
            waited
                .unwrap_or_else(|| Err(Cause::new(FailureKind::TimedOut, "ssh-agent did not answer in time")))
        }
        Access::Password(secret) => {
            with_password(session, login, &*password.get(secret, deadline)?, deadline)
        }
    };
    refused.map_err(|cause| offered(session, login, cause))
}

/// Adds which ways to log in the machine offers, if it refused this one: it may forbid root's passwords, for example.
fn offered(session: &Session, login: &Login, mut cause: Cause) -> Cause {
    if cause.kind == FailureKind::Refused
        && let Ok(methods) = session.auth_methods(&login.user)
    {
        cause.text.push_str(&format!("; it offers {}", methods.replace(',', ", ")));
    }
    cause
}

/// Tries every key of ssh-agent.
fn with_agent(session: &Session, user: &str, deadline: Deadline) -> Result<(), Cause> {
    let asked = |error: ssh2::Error| Cause::new(FailureKind::Missing, error.to_string()).about("ssh-agent");
    let mut agent = session.agent()?;
    agent.connect().map_err(asked)?;
    agent.list_identities().map_err(asked)?;
    let keys = agent.identities().map_err(asked)?;
    let mut last = Cause::new(FailureKind::Missing, "ssh-agent has no key: ssh-add");
    for key in keys {
        deadline.bound(session)?;
        match agent.userauth(user, &key) {
            Ok(()) => return Ok(()),
            Err(error) => last = Cause::from(error).about(format!("key {} of ssh-agent", key.comment())),
        }
    }
    Err(last)
}

/// Tries both ways in which an sshd asks for a password.
fn with_password(
    session: &Session,
    login: &Login,
    password: &Password,
    deadline: Deadline,
) -> Result<(), Cause> {
    deadline.bound(session)?;
    let methods = session.auth_methods(&login.user)?.to_owned();
    let has = |method: &str| methods.split(',').any(|offered| offered == method);
    let mut last = Cause::new(FailureKind::Refused, "it takes no password");
    if has("password") {
        deadline.bound(session)?;
        match session.userauth_password(&login.user, password.reveal()) {
            Ok(()) => return Ok(()),
            Err(error) => last = Cause::from(error).about("password"),
        }
    }
    if has("keyboard-interactive") {
        deadline.bound(session)?;
        match session.userauth_keyboard_interactive(&login.user, &mut Answers(password)) {
            Ok(()) => return Ok(()),
            Err(error) => last = Cause::from(error).about("password"),
        }
    }
    Err(last)
}

/// Answers a question that is not to be seen on a screen with the password, and any other with nothing.
struct Answers<'a>(&'a Password);

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt<'b>(&mut self, _name: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        let answer =
            |prompt: &Prompt<'_>| if prompt.echo { String::new() } else { self.0.reveal().to_owned() };
        prompts.iter().map(answer).collect()
    }
}
