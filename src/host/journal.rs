//! What the libvirt daemons of a host have told its journal from a moment on: where they run under systemd, and no
//! configuration names a file, that is their log.

use std::time::Duration;

use crate::failure::Result;
use crate::remote::{Remote, quote};

/// How long journalctl may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How long the command with it may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// What journalctl begins the line with that has the place of the last entry.
const CURSOR: &str = "-- cursor: ";

/// The present end of the journal; none where there is no journal.
pub fn end(remote: &Remote) -> Result<Option<String>> {
    // Where there is no journal, or no such program, it says nothing.
    let said = remote.run(&command("-n 0"), COMMAND_LIMIT)?;
    Ok(apart(&said.stdout).1)
}

/// What the daemons have said since a place of the journal, at most `most` bytes of its end, and the place to go on from; none
/// if they have said nothing.
pub fn since(remote: &Remote, cursor: &str, most: u64) -> Result<Option<(String, String)>> {
    let asked = command(&format!("-u 'virt*' -u 'libvirt*' --after-cursor={}", quote(cursor)));
    let said = remote.run(&format!("{asked} | tail -c {most}"), COMMAND_LIMIT)?;
    let (text, cursor) = apart(&said.stdout);
    Ok(cursor.map(|cursor| (text, cursor)))
}

fn command(of: &str) -> String {
    format!(
        "timeout {} journalctl -q --no-pager -o short-precise --show-cursor {of} 2> /dev/null",
        LIMIT.as_secs()
    )
}

/// The entries, and the place of the last one.
fn apart(said: &str) -> (String, Option<String>) {
    match said.rfind(CURSOR) {
        Some(at) if at == 0 || said[..at].ends_with('\n') => {
            let cursor = said[at + CURSOR.len()..].trim();
            (said[..at].to_owned(), Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty()))
        }
        _ => (said.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::entries("one\ntwo\n-- cursor: s=1;i=2\n", "one\ntwo\n", Some("s=1;i=2"))]
    #[case::none("-- cursor: s=1;i=2\n", "", Some("s=1;i=2"))]
    #[case::no_journal("", "", None)]
    #[case::an_entry_that_looks_like_it("virtqemud: -- cursor: x\n", "virtqemud: -- cursor: x\n", None)]
    #[case::such_an_entry_before("a -- cursor: x\n-- cursor: s=1\n", "a -- cursor: x\n", Some("s=1"))]
    fn entries_and_their_end_come_apart(
        #[case] said: &str,
        #[case] text: &str,
        #[case] cursor: Option<&str>,
    ) {
        assert_eq!(apart(said), (text.to_owned(), cursor.map(str::to_owned)));
    }
}
