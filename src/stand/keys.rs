//! Key pairs and protected files that multivm writes for ssh.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Attempt, Failure, Result};

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

/// Reads a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).attempting(|| format!("read {}", path.display()))
}
