//! Trusts a machine that was installed anew.

use std::io::Write;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::deadline::Deadline;
use super::host_key::{Identity, fingerprint};
use super::known_hosts::{self, KeyStanding, known_as};
use super::login::identify;
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::inventory::{Login, Trust};

/// What a machine's key was, and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The fingerprints of the keys that the file had of the machine.
    pub before: Vec<String>,
    /// The fingerprint of its key.
    pub now: String,
}

/// Puts the key that a machine shows into a file, in place of those that it has of the machine. A key that the file has as revoked
/// stays so.
pub fn trust(login: &Login, file: &Path, limit: Duration) -> Result<Trusted> {
    let attempted = || format!("trust the key of {}", login.address);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is there is replaced at once, and only when the machine has answered.
    let mut next = tempfile::NamedTempFile::new_in(folder).attempting(attempted)?;
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.attempting(|| format!("read {}", file.display()))?,
    };
    let name = known_as(login);
    let (others, own) = known_hosts::without(&text, &name);
    let meeting = Login { trust: Trust::FirstContact(next.path().to_owned()), ..login.clone() };
    let Identity { key, fingerprint: now, .. } = identify(&login.address, &meeting, Deadline::after(limit))?;
    let blob = key.split(' ').nth(1).and_then(|key| STANDARD.decode(key).ok()).unwrap_or_default();
    if known_hosts::standing(&others, &name, &blob) == KeyStanding::Revoked {
        let cause = format!("{now} is @revoked in {}", file.display());
        return Err(Failure::new(attempted(), Cause::new(FailureKind::Refused, cause))
            .try_next("is this the right machine? If so, it needs another key, or the line has to go"));
    }
    writeln!(next, "{others}{name} {key}").attempting(attempted)?;
    next.persist(file).map_err(|error| error.error).attempting(attempted)?;
    let shown = |key: &str| STANDARD.decode(key).ok().map(|key| fingerprint(&key));
    Ok(Trusted { before: own.into_iter().filter_map(shown).collect(), now })
}
