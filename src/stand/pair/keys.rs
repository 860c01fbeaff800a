//! From a password to a key: a line of multivm's in the user's authorized_keys, for as long as the run lasts.

use super::change::Change;
use crate::inventory::file::Consent;
use crate::remote::{CALLER, quote};

/// Lets the run's key in as `user`, from this machine alone. `public` is a type and a key in base64.
pub fn change(user: &str, public: &str, run: &str) -> Change {
    let user_word = quote(user);
    let comment = format!("multivm:{run}");
    let find = format!(
        "home=$(getent passwd {user_word} | cut -d : -f 6)\n\
         folder=$home/.ssh\n\
         file=$(readlink -f \"$folder/authorized_keys\" || echo \"$folder/authorized_keys\")\n"
    );
    // It is known who made the folder and the file, and whether the last line had an end: sshd and people's scripts append lines.
    let note = format!(
        "{find}[ -d \"$folder\" ] || : > keys.folder\n\
         [ -e \"$file\" ] || : > keys.file\n\
         [ ! -s \"$file\" ] || [ -z \"$(tail -c 1 \"$file\")\" ] || : > keys.open"
    );
    let act = format!(
        "{find}umask 077\nmkdir -p \"$folder\"\n\
         {CALLER}from=\n[ -z \"$caller\" ] || from=\",from=\\\"$caller\\\"\"\n\
         [ ! -e keys.open ] || echo >> \"$file\"\n\
         printf '%s %s %s\\n' \"restrict$from\" {} {comment} >> \"$file\" || exit 1\n\
         [ ! -e keys.folder ] || chown -R {user_word}: \"$folder\"\n\
         [ ! -e keys.file ] || chown {user_word}: \"$file\"\n\
         ! command -v restorecon > /dev/null || restorecon -R \"$folder\" 2> /dev/null || :",
        quote(public)
    );
    // Only this line goes: others may have come meanwhile. The file is replaced at once, with its owner, its mode and its label.
    let undo = format!(
        "{find}part=$file.multivm-{run}\ncd /var/lib/multivm/lease || exit 1\n\
         if grep -a -q -s -F {comment} \"$file\"; then\n\
         cp -a \"$file\" \"$part\" || exit 1\n\
         grep -a -v -F {comment} \"$file\" > \"$part\" || [ $? = 1 ] || exit 1\n\
         if [ -e keys.open ] && [ -s \"$part\" ] && tail -n 1 \"$file\" | grep -a -q -F {comment}; then truncate -s -1 \"$part\" || exit 1; fi\n\
         mv \"$part\" \"$file\" || exit 1\n\
         fi\n\
         rm -f \"$part\"\n\
         [ ! -e keys.file ] || [ -s \"$file\" ] || rm -f \"$file\"\n\
         [ ! -e keys.folder ] || rmdir \"$folder\" 2> /dev/null || :"
    );
    Change {
        name: "10-keys",
        consent: Some(Consent::Keys),
        unless: "false".into(),
        note,
        act,
        undo,
        instead: "log in with a key: `key` or `agent = true`".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rstest::rstest;

    use super::super::testing::{Sandbox, content};
    use super::*;

    const FILE: &str = "home/.ssh/authorized_keys";
    const LINE: &str = "restrict,from=\"192.0.2.9\" ssh-ed25519 AAAA multivm:R1\n";

    fn key() -> Change {
        change("USER-OF-THE-TEST", "ssh-ed25519 AAAA", "R1")
    }

    fn done(output: std::process::Output) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[rstest]
    #[case::no_file(None)]
    #[case::an_empty_file(Some(""))]
    #[case::ordinary(Some("ssh-rsa BBBB me\n"))]
    #[case::without_its_last_end(Some("ssh-rsa BBBB me\nssh-rsa CCCC you"))]
    fn a_key_comes_and_goes(#[case] before: Option<&str>) {
        let host = Sandbox::leased();
        if let Some(before) = before {
            fs::write(host.path(FILE), before).unwrap();
            fs::set_permissions(host.path(FILE), fs::Permissions::from_mode(0o640)).unwrap();
        }
        done(host.make(&[key()], &[Consent::Keys]));
        let with = content(&host.path(FILE)).unwrap();
        let lines = before.unwrap_or_default().trim_end_matches('\n');
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\n") };
        assert_eq!(with, lines + LINE);
        done(host.undo(&key()));
        assert_eq!(content(&host.path(FILE)).as_deref(), before);
        if before.is_some() {
            assert_eq!(fs::metadata(host.path(FILE)).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }

    /// What sudo does with the variable that has the address.
    #[test]
    fn a_key_of_a_login_that_becomes_root_by_sudo_is_for_this_machine_alone_too() {
        let host = Sandbox::leased();
        done(host.make_by_sudo(&[key()], &[Consent::Keys]));
        assert_eq!(content(&host.path(FILE)).as_deref(), Some(LINE));
    }

    #[test]
    fn a_folder_that_was_made_goes_with_the_key() {
        let host = Sandbox::leased();
        fs::remove_dir(host.path("home/.ssh")).unwrap();
        done(host.make(&[key()], &[Consent::Keys]));
        let mode = |path: &str| fs::metadata(host.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("home/.ssh"), mode(FILE)),
            (0o700, 0o600),
            "sshd reads nothing that others can write"
        );
        done(host.undo(&key()));
        assert!(!host.path("home/.ssh").exists());
    }

    #[test]
    fn what_others_added_meanwhile_stays() {
        let host = Sandbox::leased();
        done(host.make(&[key()], &[Consent::Keys]));
        fs::write(host.path(FILE), format!("{LINE}ssh-rsa DDDD colleague\n")).unwrap();
        let copy = host.path(FILE).with_extension("multivm");
        fs::write(&copy, "a copy that somebody keeps").unwrap();
        done(host.undo(&key()));
        assert_eq!(content(&copy).as_deref(), Some("a copy that somebody keeps"));
        assert_eq!(content(&host.path(FILE)).as_deref(), Some("ssh-rsa DDDD colleague\n"));
    }

    #[test]
    fn what_is_no_text_is_kept() {
        let host = Sandbox::leased();
        let before = b"ssh-rsa BBBB me\n\0\0\nssh-rsa CCCC you\n".as_slice();
        fs::write(host.path(FILE), before).unwrap();
        done(host.make(&[key()], &[Consent::Keys]));
        done(host.undo(&key()));
        assert_eq!(fs::read(host.path(FILE)).unwrap(), before);
    }

    #[test]
    fn the_end_of_others_lines_stays() {
        let host = Sandbox::leased();
        fs::write(host.path(FILE), "ssh-rsa BBBB me").unwrap();
        done(host.make(&[key()], &[Consent::Keys]));
        let with = content(&host.path(FILE)).unwrap();
        fs::write(host.path(FILE), with + "ssh-rsa DDDD colleague\n").unwrap();
        done(host.undo(&key()));
        assert_eq!(content(&host.path(FILE)).as_deref(), Some("ssh-rsa BBBB me\nssh-rsa DDDD colleague\n"));
    }

    #[test]
    fn a_key_that_never_came_is_no_trouble() {
        let host = Sandbox::leased();
        fs::write(host.path(FILE), "ssh-rsa BBBB me\n").unwrap();
        for _ in 0..2 {
            done(host.undo(&key()));
            assert_eq!(content(&host.path(FILE)).as_deref(), Some("ssh-rsa BBBB me\n"));
        }
    }

    #[test]
    fn a_file_elsewhere_stays_where_it_is() {
        let host = Sandbox::leased();
        fs::write(host.path("keys"), "ssh-rsa BBBB me\n").unwrap();
        std::os::unix::fs::symlink(host.path("keys"), host.path(FILE)).unwrap();
        done(host.make(&[key()], &[Consent::Keys]));
        done(host.undo(&key()));
        assert!(fs::symlink_metadata(host.path(FILE)).unwrap().is_symlink());
        assert_eq!(content(&host.path("keys")).as_deref(), Some("ssh-rsa BBBB me\n"));
    }
}
