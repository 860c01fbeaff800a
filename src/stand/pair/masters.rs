//! The images of a catalogue on the way to a pair's storage: read piece by piece, so that no image has to fit into memory, and written
//! with holes where they have nothing but zeros.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::kept::KeptMasters;
use crate::failure::{Attempt, Cause, Failure, Result};
use crate::inventory::catalogue::{COPY_NEWS, Master, digits, known_sha256};
use crate::remote::{Remote, quote};
use crate::sys::stop::StopFlag;
use crate::sys::terminal;

/// The bytes that are sent at once.
const PIECE: usize = 4 << 20;

/// How long one piece may take.
const PIECE_LIMIT: Duration = Duration::from_secs(60);

/// Where masters go.
pub struct MastersPlace<'a> {
    pub remote: &'a Remote,
    /// The run's own folder there.
    pub folder: &'a str,
    /// The masters that stay there for later runs, if they may.
    pub kept: Option<KeptMasters>,
    /// The folder of this machine that has the hashes of masters, as earlier commands computed them.
    pub cache: &'a Path,
}

impl MastersPlace<'_> {
    /// Brings one master under a name: the kept one of its content, if there is one, or a copy, which gets its name when it is complete.
    /// Nobody can write it there.
    pub fn bring(&self, master: &Master, file: &str, stop: &StopFlag) -> Result<()> {
        let to = &format!("{}/{file}", self.folder);
        let Some(kept) = &self.kept else { return copy(&master.path, self.remote, to, stop).map(drop) };
        let path = master.path.display();
        let read = || -> std::io::Result<_> {
            let hash = master.sha256.clone().map_or_else(|| known_sha256(&master.path, self.cache), Ok)?;
            Ok((hash, master.path.metadata()?.len()))
        };
        let (hash, length) = read().attempting(|| format!("read {path}"))?;
        let name = |hash: &str| format!("{hash}.{}", master.format.name());
        // What may stay for later runs only saves time: a run goes on without.
        let warn = |failure: Failure| terminal::say(&format!("multivm: warning: {failure}"));
        if kept.take(self.remote, &name(&hash), length, to).unwrap_or_else(|failure| {
            warn(failure);
            false
        }) {
            terminal::say(&format!("multivm: {path} is kept on {}", self.remote.name()));
            return Ok(());
        }
        // The name is that of what was sent: the file may have changed since it was read.
        let sent = copy(&master.path, self.remote, to, stop)?;
        kept.keep(self.remote, &name(&sent), to).unwrap_or_else(warn);
        Ok(())
    }
}

/// Copies one file to a host, and returns the SHA-256 of what was sent.
fn copy(from: &Path, remote: &Remote, to: &str, stop: &StopFlag) -> Result<String> {
    let attempted = || format!("copy {} to {to} on {}", from.display(), remote.name());
    let mut file = File::open(from).attempting(attempted)?;
    let length = file.metadata().attempting(attempted)?.len();
    let part = format!("{to}.part");
    let begin = Instant::now();
    let mut told = begin;
    terminal::say(&format!("multivm: copying {} to {}, {} MiB", from.display(), remote.name(), length >> 20));
    remote.check(&begin_of(&part), PIECE_LIMIT)?;
    let (mut at, mut hash) = (0, Sha256::new());
    loop {
        if stop.is_set() {
            return Err(Failure::new(attempted(), Cause::interrupted()));
        }
        let mut piece = Vec::with_capacity(PIECE);
        Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece).attempting(attempted)?;
        if piece.is_empty() {
            break;
        }
        hash.update(&piece);
        if piece.iter().any(|byte| *byte != 0) {
            remote.check_with_input(&piece_of(&part, at), &piece, PIECE_LIMIT).attempting(attempted)?;
        }
        at += piece.len() as u64;
        if told.elapsed() >= COPY_NEWS {
            told = Instant::now();
            let percent = at * 100 / length.max(1);
            terminal::say(&format!("multivm:   {percent} % after {:.0} s", begin.elapsed().as_secs_f64()));
        }
    }
    remote.check(&end_of(&part, to, at), PIECE_LIMIT)?;
    terminal::say(&format!("multivm:   copied in {:.0} s", begin.elapsed().as_secs_f64()));
    Ok(digits(hash))
}

/// The command that begins a copy.
fn begin_of(part: &str) -> String {
    format!("rm -f {0} && : > {0}", quote(part))
}

/// The command that writes its input at a place of the copy, with holes for blocks of zeros.
fn piece_of(part: &str, at: u64) -> String {
    let part = quote(part);
    format!("dd of={part} bs=64K iflag=fullblock oflag=seek_bytes seek={at} conv=notrunc,sparse status=none")
}

/// The command that ends a copy of so many bytes, and gives it its name.
fn end_of(part: &str, to: &str, length: u64) -> String {
    let (part, to) = (quote(part), quote(to));
    format!("truncate -s {length} {part} && chmod 444 {part} && mv {part} {to}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::{Command, Stdio};

    use super::*;

    fn run(command: &str, input: &[u8]) {
        let mut shell = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut shell.stdin.take().unwrap(), input).unwrap();
        assert!(shell.wait().unwrap().success(), "{command}");
    }

    #[test]
    fn a_copy_has_every_byte_and_takes_no_room_for_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (to, part) = (path("it's an image.raw"), path("it's an image.raw.part"));
        fs::write(&part, "of a copy that was broken off").unwrap();
        let mut piece = vec![0; 1 << 20];
        piece[700_000] = 7;
        run(&begin_of(&part), b"");
        run(&piece_of(&part, 0), &piece);
        // A piece of zeros that is not sent, and one that ends in the middle of a block.
        run(&piece_of(&part, 8 << 20), b"the end");
        let length = (9 << 20) + 5;
        run(&end_of(&part, &to, length), b"");
        let copied = fs::read(&to).unwrap();
        assert_eq!((copied.len() as u64, copied[700_000]), (length, 7));
        assert_eq!(&copied[8 << 20..(8 << 20) + 7], b"the end");
        assert_eq!(copied.iter().filter(|byte| **byte != 0).count(), 1 + 7);
        let seen = fs::metadata(&to).unwrap();
        assert!(seen.blocks() * 512 < 1 << 20, "{} blocks", seen.blocks());
        assert_eq!(seen.permissions().mode() & 0o777, 0o444);
        assert!(!fs::exists(&part).unwrap());
    }
}
