//! The ancestors of this process.

use crate::sys::process;

/// A process and its ancestors, each by pid and name, from that process upwards, without the first process of all.
pub(super) fn ancestors(pid: i32) -> impl Iterator<Item = (i32, String)> {
    let mut next = pid;
    std::iter::from_fn(move || {
        let pid = next;
        let process = (pid > 1).then(|| process::living(pid)).flatten()?;
        next = process.ppid;
        Some((pid, process.comm))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_comes_next() {
        let found: Vec<(i32, String)> = ancestors(std::process::id() as i32).collect();
        assert!(!found[0].1.is_empty());
        assert_eq!(found[1].0, nix::unistd::getppid().as_raw());
    }
}
