//! Changes of a host: each knows what takes it back before it is made.
//!
//! What takes a change back is a script in the host's lease, on its disk before the change is made, so that whoever comes
//! later can do it without knowing what was changed. It asks whether what it finds is still multivm's.

use std::time::Duration;

use super::lease::LEASE;
use crate::axis::AxisValue;
use crate::failure::{Failure, FailureKind, Result};
use crate::inventory::file::Consent;
use crate::remote::Remote;

/// How long the changes of a host may take together.
const LIMIT: Duration = Duration::from_secs(180);

/// The exit status of a change that is needed and not allowed.
const NOT_ALLOWED: i32 = 77;

/// The line between a script and what follows it.
const END: &str = "multivm-end-of-script";

/// A change of a host, in shell scripts. They run in the lease's folder, as root.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its place in the order of changes and its name, as `10-keys`. The last one is taken back first.
    pub name: &'static str,
    /// The consent that it needs; none for what is in multivm's own folders.
    pub consent: Option<Consent>,
    /// Succeeds where there is nothing to be done.
    pub unless: String,
    /// Notes in the lease what was before, as far as `undo` must know it.
    pub note: String,
    pub act: String,
    /// Takes the change back, whether `act` has been done, half done, or not at all.
    pub undo: String,
    /// What a user does instead of allowing it.
    pub instead: String,
}

impl Change {
    /// A change in multivm's own folders, which needs nobody's consent.
    pub fn own(name: &'static str, act: impl Into<String>, undo: impl Into<String>) -> Change {
        Change {
            name,
            consent: None,
            unless: "false".into(),
            note: ":".into(),
            act: act.into(),
            undo: undo.into(),
            instead: String::new(),
        }
    }

    fn script(&self, allow: &[Consent]) -> String {
        let Change { name, unless, note, act, undo, instead, .. } = self;
        let refused = self.consent.filter(|consent| !allow.contains(consent));
        let make = match refused {
            Some(consent) => format!("echo '{consent}' >&2\nexit {NOT_ALLOWED}"),
            None => format!(
                "(\n{note}\n) || fail {name}\n\
                 cat > changes/.{name} << '{END}'\n{undo}\n{END}\n\
                 mv changes/.{name} changes/{name} || fail {name}\n\
                 (\n{act}\n) || fail {name}"
            ),
        };
        let _ = instead;
        format!("if ! (\n{unless}\n) > /dev/null 2>&1; then\n{make}\nfi\n")
    }
}

/// Makes these changes on a host, in their order. A change that is needed and that `allow` does not have is refused before it is made.
pub fn make(remote: &Remote, changes: &[Change], allow: &[Consent]) -> Result<()> {
    let begin = format!(
        "cd {LEASE} || exit 1\nPATH=$PATH:/usr/sbin:/sbin; LC_ALL=C; export PATH LC_ALL\n\
         fail() {{ echo \"$1 failed\" >&2; exit 1; }}\n"
    );
    let script = begin + &changes.iter().map(|change| change.script(allow)).collect::<String>();
    let output = remote.run_with_input("exec sh -s", script.as_bytes(), LIMIT)?;
    let attempted = "prepare the host";
    match output.status {
        0 => Ok(()),
        NOT_ALLOWED => {
            let name = output.stderr.trim().lines().last().unwrap_or_default().to_owned();
            let lacking = changes.iter().find(|change| change.consent.is_some_and(|own| own.name() == name));
            let (does, instead) = lacking.map_or((String::new(), String::new()), |change| {
                let does = change.consent.map_or("", |consent| consent.spec().does);
                (format!(": it lets multivm do what this pair needs, which {does}"), change.instead.clone())
            });
            let cause = crate::failure::Cause::new(
                FailureKind::Refused,
                format!("`allow` does not have `{name}`{does}"),
            );
            Err(Failure::new(attempted, cause)
                .at(remote.name())
                .try_next(format!("{instead}; or put `{name}` into `allow` of the inventory")))
        }
        status => {
            let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
            Err(Failure::new(attempted, format!("exit status {status}: {}", said.trim())).at(remote.name()))
        }
    }
}
