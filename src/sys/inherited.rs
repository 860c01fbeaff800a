//! What this process has inherited beside its standard streams.

use std::fs;
use std::os::fd::RawFd;

use nix::fcntl::OFlag;
use nix::unistd::close;

use crate::failure::{Attempt, Result};

const DESCRIPTORS: &str = "/proc/self/fdinfo";

/// Closes every descriptor that whoever started this process has left open in it, but the standard streams. What this process starts and
/// leaves behind would keep them open: a lock that a script holds, or a pipe whose reader waits for its end.
///
/// This comes before anything else that the process does: a library may open files that its children inherit, too.
pub fn close_all() -> Result<()> {
    for descriptor in inherited()? {
        close(descriptor).attempting(|| format!("close the inherited descriptor {descriptor}"))?;
    }
    Ok(())
}

/// The descriptors above the standard streams that a child inherits, as this process has inherited its own.
fn inherited() -> Result<Vec<RawFd>> {
    let entries = fs::read_dir(DESCRIPTORS).attempting(|| format!("list {DESCRIPTORS}"))?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(|number| *number > 2 && is_inherited(*number)).collect())
}

/// Whether a child has the descriptor, too; one that is closed by now has nobody.
fn is_inherited(descriptor: RawFd) -> bool {
    let flags = fs::read_to_string(format!("{DESCRIPTORS}/{descriptor}")).ok().and_then(|text| {
        let octal = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        i32::from_str_radix(octal.trim(), 8).ok()
    });
    flags.is_some_and(|flags| flags & OFlag::O_CLOEXEC.bits() == 0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    #[test]
    fn what_a_child_would_have_is_told_from_what_is_our_own() {
        let (own, passed) = (File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap());
        fcntl(&passed, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let found = inherited().unwrap();
        assert!(found.contains(&passed.as_raw_fd()) && !found.contains(&own.as_raw_fd()), "{found:?}");
        assert!(found.iter().all(|descriptor| *descriptor > 2), "{found:?}");
    }
}
