//! The text of an inventory as messages quote it: without what may be a password.

/// The help line of every message that quotes a line.
pub(super) const NO_VALUES: &str = "values are not shown, since one may be a password";

/// The text of an inventory with asterisks for everything but the keys and the headers that an inventory has. No byte changes its
/// place. Messages quote from this: wherever a password was written by mistake, it is not in them.
pub(super) fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

fn masked_line(line: &str) -> String {
    if HEADERS.contains(&line.trim()) {
        return line.to_owned();
    }
    let key = line.find('=').filter(|at| KEYS.contains(&line[..*at].trim())).map_or(0, |at| at + 1);
    let (key, value) = line.split_at(key);
    key.to_owned() + &stars(value)
}

const HEADERS: [&str; 7] = [
    "[[pair]]",
    "[pair.source]",
    "[pair.target]",
    "[pair.storage]",
    "[pair.network]",
    "[[image]]",
    "[[guest]]",
];

pub(super) const KEYS: [&str; 33] = [
    "pair",
    "image",
    "guest",
    "name",
    "labels",
    "catalogue",
    "allow",
    "source",
    "target",
    "storage",
    "network",
    "address",
    "migration_address",
    "storage_address",
    "port",
    "user",
    "sudo",
    "key",
    "agent",
    "password",
    "host_key",
    "jump",
    "uri",
    "mount",
    "export",
    "serve_on",
    "keep_gib",
    "bridge",
    "subnet",
    "guests",
    "gateway",
    "overlay",
    "nat",
];

/// As many asterisks as a text has bytes, except for its white space.
fn stars(text: &str) -> String {
    let star =
        |one: char| if one.is_ascii_whitespace() { one.to_string() } else { "*".repeat(one.len_utf8()) };
    text.chars().map(star).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::literal("password = \"hunter2\"\n", "password = *********\n")]
    #[case::key_mistyped("pasword = 'hunter2'\r\n", "******* * *********\r\n")]
    #[case::without_quotes("  password = hunter2", "  password = *******")]
    #[case::assignment_forgotten("password aHVudGVyMg==", "******** ************")]
    #[case::amid_a_table("source = { password = 'x' }", "source = * ******** * *** *")]
    #[case::many_lines("password = \"\"\"\nhunter2 = x\n[hunter2]", "password = ***\n******* * *\n*********")]
    #[case::headers("[[pair]]\n[pair.source]\n", "[[pair]]\n[pair.source]\n")]
    #[case::network("subnet = \"192.0.2.0/24\"", "subnet = **************")]
    #[case::umlauts("password = \"ü\"", "password = ****")]
    fn keys_and_headers_are_left(#[case] text: &str, #[case] expected: &str) {
        let masked = masked(text);
        assert_eq!(masked, expected);
        assert_eq!(masked.len(), text.len());
    }
}
