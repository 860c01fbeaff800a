//! How many connections to an NFS server the files of a process explain: QEMU's NFS client has one for each file.

use std::collections::BTreeMap;

use super::words::NfsFile;

/// The number of connections that files of a command line and files of a domain's disks explain. A file in both is one file.
pub fn explained(named: &[&NfsFile], plugged: &[&NfsFile]) -> usize {
    let [mut by_line, by_disks] = [named, plugged].map(counts);
    for (path, count) in by_disks {
        let known = by_line.entry(path).or_default();
        *known = count.max(*known);
    }
    by_line.into_values().sum()
}

/// The connections for each path. A file that brings others stands on one of them, as images of guests do.
fn counts<'a>(files: &[&'a NfsFile]) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for file in files {
        *counts.entry(&*file.path).or_default() += 1 + usize::from(file.brings_others);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_explains_a_connection() {
        let file = |path: &str, brings_others| NfsFile {
            server: "198.18.0.1".into(),
            path: path.into(),
            writes: false,
            brings_others,
        };
        let [a, b, url] = [file("/a", false), file("/b", false), file("/c", true)];
        assert_eq!(explained(&[], &[]), 0);
        assert_eq!(explained(&[&a, &b], &[&a, &b]), 2, "one disk, told twice");
        assert_eq!(explained(&[&a], &[&a, &b]), 2, "plugged in");
        assert_eq!(explained(&[&a, &b, &b], &[&b]), 3, "two disks stand on it");
        assert_eq!(explained(&[&url], &[]), 2, "with what it stands on");
    }
}
