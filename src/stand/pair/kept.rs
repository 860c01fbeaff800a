//! Masters that stay in a pair's storage for later runs, by their content, as far as the inventory allows it.
//!
//! A run has its own name for a kept file, a hard link in the run's folder: whoever removes the kept one takes it from no run.

use std::time::Duration;

use crate::failure::Result;
use crate::remote::{Remote, quote};

/// How long a host may take to look for one, or to remove some.
const LIMIT: Duration = Duration::from_secs(60);

/// The name of the folder, in the storage.
const FOLDER: &str = "multivm-masters";

/// The kept masters of a storage.
pub struct KeptMasters {
    folder: String,
    /// The most bytes that they may take together.
    limit: u64,
}

impl KeptMasters {
    /// The kept masters of the storage in this folder, with so many GiB for them.
    pub fn of(storage: &str, gib: u32) -> KeptMasters {
        KeptMasters { folder: format!("{storage}/{FOLDER}"), limit: u64::from(gib) << 30 }
    }

    /// Gives a kept file of this content and length its name in a run; says whether there was one.
    pub fn take(&self, remote: &Remote, name: &str, length: u64, to: &str) -> Result<bool> {
        let said = remote.check(&self.take_script(name, length, to), LIMIT)?;
        Ok(said.trim() == "kept")
    }

    /// Keeps a run's file, and removes those that were not used for longest and have no room beside it.
    pub fn keep(&self, remote: &Remote, name: &str, from: &str) -> Result<()> {
        remote.check(&self.keep_script(name, from), LIMIT).map(drop)
    }

    fn take_script(&self, name: &str, length: u64, to: &str) -> String {
        let (folder, to) = (quote(&self.folder), quote(to));
        let part = format!("{}.part", self.folder);
        let part = quote(&part);
        // With its mark from the beginning: without it nobody would know whose it is. Of two runs at the same time, one makes it. What another
        // one left, which was killed, is empty, or has the mark alone.
        format!(
            "[ -e {folder} ] || {{\n\
             mkdir -p {part} && [ -z \"$(ls -A {part} | grep -v '^[.]multivm$')\" ] && : > {part}/.multivm && mv -T {part} {folder}\n\
             }} || [ -e {folder}/.multivm ] || exit 1\n\
             [ -e {folder}/.multivm ] || {{ echo {folder}' was not made by multivm' >&2; exit 1; }}\n\
             cd {folder} && [ -f {name} ] && [ \"$(stat -c %s {name})\" = {length} ] || exit 0\n\
             touch {name} && ln -f {name} {to} && echo kept"
        )
    }

    fn keep_script(&self, name: &str, from: &str) -> String {
        let (folder, from, limit) = (quote(&self.folder), quote(from), self.limit);
        format!(
            "cd {folder} && [ -e .multivm ] && ln -f {from} .{name} && mv -f .{name} {name} && touch {name} || exit 1\n\
             sum=0\n\
             for one in $(ls -t | grep -E '^[0-9a-f]{{64}}[.](raw|qcow2)$'); do\n\
             blocks=$(stat -c %b \"$one\") || continue\n\
             sum=$((sum + blocks * 512))\n\
             [ $sum -le {limit} ] || rm -f \"$one\"\n\
             done"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn run(script: &str) -> (bool, String) {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    fn write(path: &Path, kib: usize) {
        fs::write(path, vec![7; kib << 10]).unwrap();
    }

    #[test]
    fn a_content_that_is_kept_is_not_sent_again_until_others_need_its_room() {
        let storage = tempfile::tempdir().unwrap();
        let own = storage.path().join("it's a run");
        fs::create_dir(&own).unwrap();
        let path = |name: &str| own.join(name).display().to_string();
        let mut kept = KeptMasters::of(storage.path().to_str().unwrap(), 1);
        kept.limit = 250 << 10;
        let folder = storage.path().join(FOLDER);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|digit| format!("{}.raw", digit.repeat(64)));
        for (name, age) in [(&a, 30), (&b, 20), (&c, 10)] {
            assert_eq!(run(&kept.take_script(name, 100 << 10, &path("none"))), (true, String::new()));
            write(&own.join(name), 100);
            assert!(run(&kept.keep_script(name, &path(name))).0);
            let used = SystemTime::now() - Duration::from_secs(age);
            fs::File::options().append(true).open(folder.join(name)).unwrap().set_modified(used).unwrap();
        }
        assert!(!folder.join(&a).exists() && own.join(&a).exists(), "its run has it still");
        assert_eq!(run(&kept.take_script(&b, 100 << 10, &path("again"))), (true, "kept\n".into()));
        assert_eq!(fs::metadata(own.join("again")).unwrap().len(), 100 << 10);
        assert_eq!(run(&kept.take_script(&b, 1, &path("cut"))), (true, String::new()), "of another length");
        // Somebody else's, which is older than all.
        write(&folder.join("theirs.raw"), 100);
        fs::File::options()
            .append(true)
            .open(folder.join("theirs.raw"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        // It was used last, and stays.
        write(&own.join(&d), 100);
        assert!(run(&kept.keep_script(&d, &path(&d))).0);
        assert!(folder.join(&b).exists() && folder.join(&d).exists() && !folder.join(&c).exists());
        assert!(folder.join("theirs.raw").exists());
    }

    #[test]
    fn a_folder_that_a_killed_run_had_begun_is_made_and_one_with_files_is_left_alone() {
        for left in [&[] as &[&str], &[".multivm"]] {
            let storage = tempfile::tempdir().unwrap();
            let kept = KeptMasters::of(storage.path().to_str().unwrap(), 1);
            let part = storage.path().join(format!("{FOLDER}.part"));
            fs::create_dir(&part).unwrap();
            left.iter().for_each(|name| fs::write(part.join(name), "").unwrap());
            assert!(run(&kept.take_script("a.raw", 1, "/nowhere")).0, "{left:?}");
            assert!(storage.path().join(FOLDER).join(".multivm").exists() && !part.exists());
        }
        let storage = tempfile::tempdir().unwrap();
        let kept = KeptMasters::of(storage.path().to_str().unwrap(), 1);
        let part = storage.path().join(format!("{FOLDER}.part"));
        fs::create_dir(&part).unwrap();
        fs::write(part.join("precious"), "").unwrap();
        assert!(!run(&kept.take_script("a.raw", 1, "/nowhere")).0);
        assert!(part.join("precious").exists() && !storage.path().join(FOLDER).exists());
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let storage = tempfile::tempdir().unwrap();
        fs::create_dir(storage.path().join(FOLDER)).unwrap();
        let kept = KeptMasters::of(storage.path().to_str().unwrap(), 1);
        assert!(!run(&kept.take_script("a.raw", 1, "/nowhere")).0);
        assert!(!run(&kept.keep_script("a.raw", "/nowhere")).0);
    }
}
