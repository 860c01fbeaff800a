//! Trusts a machine that was installed anew.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::deadline::Deadline;
use super::host_key::{fingerprint, known_as};
use super::login::identify;
use crate::failure::{Attempt, Result};
use crate::inventory::{Login, Trust};

/// What a machine's key was, and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The fingerprints of the keys that the file had of the machine.
    pub before: Vec<String>,
    /// The fingerprint of its key.
    pub now: String,
}

/// Puts the key that a machine shows into a file, in place of those that it has of the machine.
pub fn trust(login: &Login, file: &Path, limit: Duration) -> Result<Trusted> {
    let attempted = || format!("trust the key of {}", login.address);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The others' lines stay as they are. What is there is replaced at once, and only when the machine has answered.
    let next = tempfile::NamedTempFile::new_in(folder).attempting(attempted)?;
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.attempting(|| format!("read {}", file.display()))?,
    };
    let name = known_as(login);
    let (own, others): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.split_once(' ').is_some_and(|(host, _)| host == name));
    let others: String = others.into_iter().map(|line| format!("{line}\n")).collect();
    fs::write(next.path(), others).attempting(attempted)?;
    let meeting = Login { trust: Trust::FirstContact(next.path().to_owned()), ..login.clone() };
    let now = identify(&login.address, &meeting, Deadline::after(limit))?.fingerprint;
    next.persist(file).map_err(|error| error.error).attempting(attempted)?;
    let of_line = |line: &str| STANDARD.decode(line.split(' ').nth(2)?).ok().map(|key| fingerprint(&key));
    Ok(Trusted { before: own.into_iter().filter_map(of_line).collect(), now })
}
