//! From a password to a key: a line of multivm's in the user's authorized_keys, for as long as the run lasts.

use super::change::Change;
use crate::inventory::file::Consent;
use crate::remote::quote;

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
         from=\n[ -z \"$SSH_CONNECTION\" ] || from=\",from=\\\"${{SSH_CONNECTION%% *}}\\\"\"\n\
         [ ! -e keys.open ] || echo >> \"$file\"\n\
         printf '%s %s %s\\n' \"restrict$from\" {} {comment} >> \"$file\" || exit 1\n\
         [ ! -e keys.folder ] || chown -R {user_word}: \"$folder\"\n\
         [ ! -e keys.file ] || chown {user_word}: \"$file\"\n\
         ! command -v restorecon > /dev/null || restorecon -R \"$folder\" 2> /dev/null || :",
        quote(public)
    );
    // Only this line goes: others may have come meanwhile. The file is replaced at once, with its owner, its mode and its label.
    let undo = format!(
        "{find}cd /var/lib/multivm/lease || exit 1\n\
         if grep -q -s -F {comment} \"$file\"; then\n\
         cp -a \"$file\" \"$file.multivm\" || exit 1\n\
         grep -v -F {comment} \"$file\" > \"$file.multivm\" || [ $? = 1 ] || exit 1\n\
         if [ -e keys.open ] && [ -s \"$file.multivm\" ]; then truncate -s -1 \"$file.multivm\" || exit 1; fi\n\
         mv \"$file.multivm\" \"$file\" || exit 1\n\
         fi\n\
         rm -f \"$file.multivm\"\n\
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
