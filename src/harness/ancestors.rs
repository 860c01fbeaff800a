//! The processes that this one descends from.

use std::fs;

/// A process and its ancestors, each by pid and name, from that process upwards. The first of all processes is not among them.
pub(super) fn ancestors(pid: i32) -> impl Iterator<Item = (i32, String)> {
    let mut next = pid;
    std::iter::from_fn(move || {
        let pid = next;
        let (name, parent) = (pid > 1).then(|| name_and_parent(pid)).flatten()?;
        next = parent;
        Some((pid, name))
    })
}

/// From `/proc/PID/stat`: `4711 (name) S 4710 ...`. The name may hold anything, also parentheses.
fn name_and_parent(pid: i32) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (front, rest) = stat.rsplit_once(')')?;
    let name = front.split_once('(')?.1.to_owned();
    Some((name, rest.split_whitespace().nth(1)?.parse().ok()?))
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
