//! What a pair needs before anything is asked of its hosts: keys and passwords on the controller, and consent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Access, Consent, ListedHost, Network, Pair, Secret, SharedStorage};

/// Permissions for anybody but the owner.
const OTHERS: u32 = 0o077;

impl Pair {
    /// What is missing for a login to both hosts and for their preparation, a sentence each. Nothing is read but names and permissions, and no program is
    /// run. `variable` looks up the environment.
    pub fn missing_here(&self, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let hosts = [("source", &self.source), ("target", &self.target)];
        let missing = |(which, host): (&str, &ListedHost)| {
            host.missing(&variable).map(|why| format!("{which}, {}: {why}", host.address))
        };
        hosts.into_iter().filter_map(missing).chain(self.missing_consent()).collect()
    }

    /// The changes that logins, storage and network of the pair take, and that `allow` does not have.
    fn missing_consent(&self) -> impl Iterator<Item = String> {
        let storage: &[Consent] = match self.storage {
            SharedStorage::Mount(_) => &[],
            SharedStorage::Export { .. } => &[Consent::Mounts],
            SharedStorage::ServeOn(_) => &[Consent::Exports, Consent::Mounts],
        };
        let network: &[Consent] = match self.network {
            Network::Overlay(_) => &[Consent::Links],
            Network::Bridge { .. } | Network::Nat => &[],
        };
        // libvirt's own connection takes no password.
        let by_password = |host: &ListedHost| matches!(host.access, Access::Password(_));
        let login: &[Consent] =
            if by_password(&self.source) || by_password(&self.target) { &[Consent::Keys] } else { &[] };
        let needed =
            login.iter().chain(storage).chain(network).filter(|consent| !self.allow.contains(consent));
        needed.map(|consent| format!("`{consent}` is not allowed: multivm {}", consent.row().does))
    }
}

impl ListedHost {
    fn missing(&self, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
        match &self.access {
            Access::Key(path) => private_file(path).map(|why| format!("the key {} {why}", path.display())),
            Access::Password(secret) => secret.missing(variable),
            Access::Agent => {
                let has_socket = variable("SSH_AUTH_SOCK").is_some_and(|socket| Path::new(&socket).exists());
                (!has_socket).then(|| "no ssh-agent can be asked: SSH_AUTH_SOCK names no socket".to_owned())
            }
        }
    }
}

impl Secret {
    fn missing(&self, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
        match self {
            Secret::Environment(name) => variable(name)
                .is_none_or(|value| value.is_empty())
                .then(|| format!("the variable {name} is not set")),
            Secret::File(path) => private_file(path).map(|why| format!("the file {} {why}", path.display())),
            Secret::Command(words) => {
                let program = Path::new(&words[0]);
                let is_there = |path: &Path| {
                    fs::metadata(path)
                        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
                };
                let found = if words[0].contains('/') {
                    is_there(program)
                } else {
                    let path = variable("PATH").unwrap_or_default();
                    std::env::split_paths(&path).any(|folder| is_there(&folder.join(program)))
                };
                (!found).then(|| format!("the program {} is not there", words[0]))
            }
        }
    }
}

/// What is wrong with a file that only its owner may read.
fn private_file(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Err(error) => Some(format!("cannot be used: {error}")),
        Ok(file) if !file.is_file() => Some("is no file".to_owned()),
        Ok(file) if file.permissions().mode() & OTHERS != 0 => {
            let mode = file.permissions().mode() & 0o777;
            Some(format!("can be read by others (mode {mode:03o}): chmod 600"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn file(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "hunter2").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[rstest]
    #[case::owner_alone(0o600, None)]
    #[case::read_only(0o400, None)]
    #[case::group(0o640, Some("(mode 640)"))]
    #[case::everybody(0o604, Some("(mode 604)"))]
    fn only_the_owner_may_read_a_secret(#[case] mode: u32, #[case] says: Option<&str>) {
        let (_folder, path) = file(mode);
        let missing = Secret::File(path).missing(&|_: &str| None);
        match says {
            Some(says) => assert!(missing.unwrap().contains(says)),
            None => assert_eq!(missing, None),
        }
    }

    #[rstest]
    #[case::set(Some("hunter2"), None)]
    #[case::empty(Some(""), Some("the variable P is not set"))]
    #[case::not_set(None, Some("the variable P is not set"))]
    fn a_variable_must_be_set(#[case] value: Option<&str>, #[case] says: Option<&str>) {
        let missing = Secret::Environment("P".into()).missing(&|_: &str| value.map(str::to_owned));
        assert_eq!(missing.as_deref(), says);
    }

    #[rstest]
    #[case::on_the_path("sh", None)]
    #[case::by_its_path("/bin/sh", None)]
    #[case::nowhere("no-such-program", Some("the program no-such-program is not there"))]
    #[case::a_folder("/bin", Some("the program /bin is not there"))]
    fn a_program_must_be_there(#[case] program: &str, #[case] says: Option<&str>) {
        let path = |name: &str| (name == "PATH").then(|| "/usr/bin:/bin".to_owned());
        let missing = Secret::Command(vec![program.into(), "show".into()]).missing(&path);
        assert_eq!(missing.as_deref(), says);
    }

    #[test]
    fn a_key_that_is_not_there_is_missing() {
        assert!(private_file(Path::new("/no/such/key")).unwrap().contains("No such file"));
        assert_eq!(private_file(Path::new("/")).unwrap(), "is no file");
    }
}
