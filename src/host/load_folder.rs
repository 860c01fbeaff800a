//! The folder for loads that write files, which carries multivm's mark: a folder of that name without it is somebody's, and stays.

use crate::remote::quote;

/// Runs the words behind the first in a new folder of that name, which replaces one of an earlier load. It is one line, as our
/// program takes it.
///
/// Whatever is written to a file there is on the disk before the writer goes on (`S` of chattr(1), which files inherit). `stress`
/// removes a file before the kernel would write it, and without this its disk would hear of nothing. A file system that does not
/// know `S` may write at the end of each file all the same, as NFS does: what counts is what reached the disk.
pub const IN_FOLDER: &str = concat!(
    r#"[ ! -e "$0" ] || [ -e "$0/.multivm" ] || { echo "$0 was not made by multivm" >&2; exit 1; }; "#,
    r#"rm -rf "$0"; mkdir -p "$0" && cd "$0" && : > .multivm || exit; chattr +S .; exec "$@""#
);

/// A script that removes the folder of a load, and refuses one that is not multivm's.
pub fn removal(folder: &str) -> String {
    let (folder, mark) = (quote(folder), format!("{folder}/.multivm"));
    let mark = quote(&mark);
    format!(
        "if [ -e {folder} ] && [ ! -e {mark} ]; then echo {folder} was not made by multivm >&2; exit 1; fi; rm -rf {folder}"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Command, Output};

    use super::*;

    fn sh(words: &[&str]) -> Output {
        Command::new("sh").arg("-c").args(words).output().unwrap()
    }

    fn load(folder: &Path) -> Output {
        sh(&[IN_FOLDER, folder.to_str().unwrap(), "sh", "-c", "echo written > file"])
    }

    #[test]
    fn a_load_gets_a_folder_of_its_own_and_leaves_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("it's a load");
        for _ in 0..2 {
            assert!(load(&folder).status.success());
            assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "written\n");
        }
        assert!(sh(&[&removal(folder.to_str().unwrap())]).status.success());
        assert!(!folder.exists());
        assert!(sh(&[&removal(folder.to_str().unwrap())]).status.success(), "none is none");
    }

    #[test]
    fn our_program_takes_it() {
        assert!(!IN_FOLDER.contains(['\n', '\t']));
    }

    #[test]
    fn somebody_elses_folder_stays() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis"), "mine").unwrap();
        for refused in [load(place.path()), sh(&[&removal(place.path().to_str().unwrap())])] {
            assert!(!refused.status.success());
            assert!(String::from_utf8_lossy(&refused.stderr).contains("was not made by multivm"));
        }
        assert_eq!(fs::read_to_string(place.path().join("thesis")).unwrap(), "mine");
    }
}
