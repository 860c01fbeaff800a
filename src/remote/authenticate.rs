//! Proves to a machine who we are.

use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::deadline::Deadline;
use super::password::{KeptPassword, Password};
use crate::failure::{Cause, FailureKind, Result};
use crate::inventory::{Access, Login};
use crate::sys::bounded;
use crate::sys::stop::StopFlag;

/// Logs in to a session whose machine has proved its own identity.
pub(super) fn authenticate(
    session: &Session,
    login: &Login,
    password: &KeptPassword,
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
    refused.map_err(|cause| with_offer(cause, || session.auth_methods(&login.user).ok().map(str::to_owned)))
}

/// Adds which ways to log in the machine offers, if it refused this one: it may forbid root's passwords, for example.
fn with_offer(mut cause: Cause, methods: impl FnOnce() -> Option<String>) -> Cause {
    if cause.kind == FailureKind::Refused
        && let Some(methods) = methods()
    {
        cause.text.push_str(&format!("; it offers {}", methods.replace(',', ", ")));
    }
    cause
}

/// Tries one after the other until one logs in. The cause is that of the last, or `without_any`.
fn in_turn<T>(
    ways: impl IntoIterator<Item = T>,
    without_any: Cause,
    mut attempt: impl FnMut(T) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let mut last = without_any;
    for way in ways {
        match attempt(way) {
            Ok(()) => return Ok(()),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// Tries every key of ssh-agent.
fn with_agent(session: &Session, user: &str, deadline: Deadline) -> Result<(), Cause> {
    let asked = |error: ssh2::Error| Cause::new(FailureKind::Missing, error.to_string()).about("ssh-agent");
    let mut agent = session.agent()?;
    agent.connect().map_err(asked)?;
    agent.list_identities().map_err(asked)?;
    let keys = agent.identities().map_err(asked)?;
    in_turn(keys, Cause::new(FailureKind::Missing, "ssh-agent has no key: ssh-add"), |key| {
        deadline.bound(session)?;
        let tried = agent.userauth(user, &key);
        tried.map_err(|error| Cause::from(error).about(format!("key {} of ssh-agent", key.comment())))
    })
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
    in_turn(asking(&methods), Cause::new(FailureKind::Refused, "it takes no password"), |way| {
        deadline.bound(session)?;
        let tried = match way {
            Asking::Password => session.userauth_password(&login.user, password.reveal()),
            Asking::KeyboardInteractive => {
                session.userauth_keyboard_interactive(&login.user, &mut PasswordAnswers(password))
            }
        };
        tried.map_err(|error| Cause::from(error).about("password"))
    })
}

/// A way in which an sshd asks for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// `password` (RFC 4252, 8).
    Password,
    /// `keyboard-interactive` (RFC 4256), as where PAM asks.
    KeyboardInteractive,
}

/// The ways to ask for a password among the methods that an sshd offers, in the order in which they are tried: the one that takes
/// a password and nothing else comes first.
fn asking(methods: &str) -> Vec<Asking> {
    let known = [("password", Asking::Password), ("keyboard-interactive", Asking::KeyboardInteractive)];
    let offered = |name: &str| methods.split(',').any(|method| method == name);
    known.into_iter().filter(|(name, _)| offered(name)).map(|(_, way)| way).collect()
}

/// Answers a question that is not to be seen on a screen with the password, and any other with nothing.
struct PasswordAnswers<'a>(&'a Password);

impl KeyboardInteractivePrompt for PasswordAnswers<'_> {
    fn prompt<'b>(&mut self, _name: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        let answer =
            |prompt: &Prompt<'_>| if prompt.echo { String::new() } else { self.0.reveal().to_owned() };
        prompts.iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::inventory::Secret;

    const PASSWORD: &str = "correct horse";

    fn deadline() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    /// A login over a session that has no connection: libssh2 refuses to send anything.
    fn refusal(access: Access, deadline: Deadline) -> Cause {
        let login = Login { access, ..Login::of_root("192.0.2.7", 22, "/nowhere/key", "/dev/null") };
        authenticate(&Session::new().unwrap(), &login, &KeptPassword::default(), deadline).unwrap_err()
    }

    fn password(script: &str) -> Access {
        Access::Password(Secret::Command(["sh", "-c", script].map(str::to_owned).to_vec()))
    }

    fn refused(text: &str) -> Cause {
        Cause::new(FailureKind::Refused, text)
    }

    #[rstest]
    #[case::both("publickey,keyboard-interactive,password", &[Asking::Password, Asking::KeyboardInteractive])]
    #[case::pam("publickey,keyboard-interactive", &[Asking::KeyboardInteractive])]
    #[case::plain("password", &[Asking::Password])]
    #[case::keys_alone("publickey,hostbased", &[])]
    #[case::a_name_that_begins_like_it("password-and-more,my-password", &[])]
    #[case::nothing("", &[])]
    fn a_password_is_given_where_it_is_asked_for(#[case] methods: &str, #[case] ways: &[Asking]) {
        assert_eq!(asking(methods), ways);
    }

    #[test]
    fn the_first_way_that_logs_in_is_the_last_that_is_tried() {
        let mut tried = Vec::new();
        let logged_in = in_turn(1..=4, refused("nothing to try"), |way| {
            tried.push(way);
            if way == 3 { Ok(()) } else { Err(refused("not this one")) }
        });
        assert!(logged_in.is_ok());
        assert_eq!(tried, [1, 2, 3]);
    }

    #[test]
    fn the_cause_is_that_of_the_last_way_and_without_any_its_own() {
        let kinds = [FailureKind::Refused, FailureKind::TimedOut];
        let last = in_turn(kinds, refused("nothing to try"), |kind| Err(Cause::new(kind, "this one")));
        let last = last.unwrap_err();
        assert_eq!((last.kind, &*last.text), (FailureKind::TimedOut, "this one"));
        let none = in_turn([(); 0], Cause::new(FailureKind::Missing, "nothing to try"), |()| Ok(()));
        let none = none.unwrap_err();
        assert_eq!((none.kind, &*none.text), (FailureKind::Missing, "nothing to try"));
    }

    #[test]
    fn a_machine_that_refuses_is_asked_what_it_offers_and_no_other() {
        let offer = || Some("publickey,password".to_owned());
        assert_eq!(with_offer(refused("no"), offer).text, "no; it offers publickey, password");
        assert_eq!(with_offer(refused("no"), || None).text, "no");
        for kind in [FailureKind::TimedOut, FailureKind::Unreachable, FailureKind::Missing] {
            let cause = with_offer(Cause::new(kind, "no"), || panic!("{kind:?} is asked"));
            assert_eq!(cause.text, "no");
        }
    }

    #[test]
    fn only_what_a_screen_would_hide_is_answered_with_the_password() {
        let prompts = [("Password: ", false), ("Your name: ", true), ("Again: ", false)];
        let prompts = prompts.map(|(text, echo)| Prompt { text: text.into(), echo });
        let password = Password::of_a_test(PASSWORD);
        assert_eq!(PasswordAnswers(&password).prompt("", "", &prompts), [PASSWORD, "", PASSWORD]);
        assert_eq!(PasswordAnswers(&password).prompt("", "", &[]), [""; 0]);
    }

    #[test]
    fn a_key_that_is_not_there_is_missing_and_named() {
        let cause = refusal(Access::Key("/nowhere/key".into()), deadline());
        assert_eq!(cause.kind, FailureKind::Missing, "{}", cause.text);
        assert!(cause.text.starts_with("key /nowhere/key: "), "{}", cause.text);
    }

    #[test]
    fn a_password_that_cannot_be_read_is_not_asked_for() {
        let cause = refusal(password(&format!("echo {PASSWORD}; exit 3")), deadline());
        assert!(cause.text.contains("exit status: 3") && !cause.text.contains(PASSWORD), "{}", cause.text);
    }

    #[test]
    fn no_cause_has_the_password_in_it() {
        let cause = refusal(password(&format!("echo {PASSWORD}")), deadline());
        assert!(!cause.text.contains(PASSWORD) && !format!("{cause:?}").contains(PASSWORD), "{}", cause.text);
    }

    #[test]
    fn nothing_is_tried_after_the_deadline() {
        let accesses = [Access::Key("/nowhere/key".into()), Access::Agent, password("echo read >&2")];
        for access in accesses {
            let cause = refusal(access.clone(), Deadline::after(Duration::ZERO));
            assert_eq!(cause.kind, FailureKind::TimedOut, "{access:?}: {}", cause.text);
        }
    }
}
