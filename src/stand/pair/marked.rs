//! Folders of multivm's on hosts by inventory. Each has multivm's mark: one of that name without it is somebody's, and stays.

use crate::remote::quote;

/// The commands that make a folder with the mark. They replace one that has it, and fail where something else has the name.
pub fn make(path: &str) -> String {
    let (remove, path) = (remove(path), quote(path));
    format!(
        "{remove}if [ -e {path} ] || [ -L {path} ]; then\n\
         echo {path}' is there already, and multivm did not make it: look what it is, and remove it if it is of no use' >&2; exit 1\n\
         fi\n\
         mkdir {path} && chmod 755 {path} && : > {path}/.multivm || exit 1\n"
    )
}

/// The commands that remove a folder with the mark, and what is in it but for other file systems. They leave any other alone.
pub fn remove(path: &str) -> String {
    let path = quote(path);
    format!("[ ! -e {path}/.multivm ] || rm -rf --one-file-system {path} || exit 1\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::change::Change;
    use super::super::testing::{Sandbox, content};
    use super::super::{guests, storage};

    /// The changes that make folders of their own, with the folder of each.
    fn changes(host: &Sandbox) -> [(Change, std::path::PathBuf); 3] {
        fs::create_dir_all(host.path("srv")).unwrap();
        let run = host.path("srv/multivm-R1");
        let of_server = storage::serve(&[], "R1").into_iter().find(|change| change.name == "30-folder");
        [
            (of_server.unwrap(), host.moved(storage::EXPORT).into()),
            (guests::files(), host.moved(guests::FOLDER).into()),
            (storage::folder(run.to_str().unwrap()), run),
        ]
    }

    #[test]
    fn a_folder_of_multivms_goes_with_what_is_in_it() {
        let host = Sandbox::leased();
        for (change, folder) in changes(&host) {
            // The second time, it is there, as one that a lost lease has left.
            for _ in 0..2 {
                assert!(host.make(std::slice::from_ref(&change), &[]).status.success());
            }
            fs::write(folder.join("base.qcow2"), "image").unwrap();
        }
        assert!(host.put_back().status.success() && !host.lease("").exists());
        for (_, folder) in changes(&host) {
            assert!(!folder.exists(), "{}", folder.display());
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_stays() {
        let host = Sandbox::leased();
        for (change, folder) in changes(&host) {
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("thesis"), "mine").unwrap();
            let output = host.make(&[change], &[]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains("multivm did not make it"), "{said}");
        }
        assert!(host.put_back().status.success() && !host.lease("").exists());
        for (_, folder) in changes(&host) {
            assert_eq!(content(&folder.join("thesis")).as_deref(), Some("mine"));
        }
    }
}
