//! Key pairs and protected files that multivm writes for ssh.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::failure::{Attempt, Failure, Result};
use crate::inventory::{SeededKey, bracketed};

/// Makes a key pair.
pub fn keygen(path: &Path, comment: &str) -> Result<()> {
    let attempted = || format!("make an ssh key in {}", path.display());
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(attempted(), error).try_next("./setup installs ssh-keygen"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(attempted(), String::from_utf8_lossy(&output.stderr).as_ref()))
}

/// The base64 part of a key pair's public half.
pub fn public_half(key: &Path) -> Result<String> {
    let path = key.with_extension("pub");
    let line = read(&path)?;
    line.split_whitespace()
        .nth(1)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("read {}", path.display()), "unexpected format"))
}

/// Makes, in a folder, the host key of guests that get theirs from a seed.
pub fn seeded_key(folder: &Path) -> Result<SeededKey> {
    let file = folder.join("guest_host_key");
    keygen(&file, "multivm-guest")?;
    let public = format!("ssh-ed25519 {}", public_half(&file)?);
    Ok(SeededKey { file, public })
}

/// A random UUID from the kernel.
pub fn uuid() -> Result<String> {
    Ok(read(Path::new("/proc/sys/kernel/random/uuid"))?.trim().to_owned())
}

/// Writes a file with these permissions.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).attempting(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .attempting(|| format!("protect {}", path.display()))
}

/// Writes the command by which libvirt's ssh transport logs in, which takes a command but no configuration file. The command
/// runs in a session of its own, because Ctrl-C is for the harness, which still needs these connections to clean up.
pub fn write_ssh_command(path: &Path, config: &Path) -> Result<()> {
    let config = config.display().to_string();
    let config = crate::remote::quote(&config);
    write(path, &format!("#!/bin/sh\nexec setsid -w ssh -F {config} \"$@\"\n"), 0o700)
}

/// The URI by which libvirt logs in with such a command. libvirt decodes what is in its query, and takes `&`, `#` and others for its
/// end.
pub fn libvirt_uri(user: &str, host: &str, command: &Path) -> String {
    const WORD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');
    let command = percent_encode(command.as_os_str().as_bytes(), WORD);
    format!("qemu+ssh://{user}@{}/system?command={command}&no_tty=1", bracketed(host))
}

/// A file's path as one word of ssh's configuration, which takes `%` for the beginning of something else.
pub fn config_word(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%"))
}

/// Reads a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).attempting(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_the_whole_path_of_the_command() {
        let uri = |host, path| libvirt_uri("root", host, Path::new(path));
        let plain = "/var/lib/multivm/pairs/192.0.2.7-kvm_2/run/ssh";
        assert_eq!(uri("source", plain), format!("qemu+ssh://root@source/system?command={plain}&no_tty=1"));
        assert_eq!(
            uri("2001:db8::7", "/my state/50%#1&?/ssh"),
            "qemu+ssh://root@[2001:db8::7]/system?command=/my%20state/50%25%231%26%3F/ssh&no_tty=1"
        );
    }

    /// ssh itself says what it has read.
    #[test]
    fn ssh_takes_a_path_for_one_word() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("my config");
        let known = Path::new("/my state/50%h \"it's\"/known_hosts");
        write(&config, &format!("Host *\n  UserKnownHostsFile {}\n", config_word(known)), 0o600).unwrap();
        let read = Command::new("ssh").arg("-G").arg("-F").arg(&config).arg("source").output().unwrap();
        let said = String::from_utf8(read.stdout).unwrap();
        let line = "userknownhostsfile /my state/50%h \"it's\"/known_hosts";
        assert!(said.lines().any(|said| said == line), "{said}{}", String::from_utf8_lossy(&read.stderr));
    }
}
