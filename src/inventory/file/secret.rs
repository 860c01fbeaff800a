//! References to secrets: an inventory says where a password is, and never has one in it.

use std::fmt;
use std::path::PathBuf;

/// Where a password is read from, when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// An environment variable of that name.
    Environment(String),
    /// A program with its arguments, which prints the password.
    Command(Vec<String>),
    /// A file that only its owner can read.
    File(PathBuf),
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Environment(name) => write!(f, "the variable {name}"),
            // Arguments may be secrets of their own.
            Secret::Command(words) => write!(f, "the program {}", words[0]),
            Secret::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// The words of a key, or of a table, behind which somebody may have written a secret.
const TELLING: [&str; 5] = ["pass", "secret", "token", "credential", "pwd"];

/// The text of an inventory with asterisks for every value, whatever its key: one that is mistyped may have been meant for a password.
/// No byte changes its place. Messages about keys and about the form of the file quote from this.
pub(super) fn without_values(text: &str) -> String {
    masked_where(text, |_| true)
}

/// The text of an inventory with asterisks for every value on a line that speaks of a secret. No byte changes its place. Messages about
/// values quote from this.
pub(super) fn without_secrets(text: &str) -> String {
    masked_where(text, |line| {
        let line = line.to_lowercase();
        TELLING.iter().any(|word| line.contains(word))
    })
}

fn masked_where(text: &str, is_masked: impl Fn(&str) -> bool) -> String {
    // Amid a string over several lines, and whether it is masked.
    let mut inside: Option<bool> = None;
    let mask = |line: &str| {
        let was_inside = inside;
        let masks = was_inside.unwrap_or_else(|| is_masked(line));
        let quotes: usize = ["\"\"\"", "'''"].iter().map(|quotes| line.matches(quotes).count()).sum();
        if quotes % 2 == 1 {
            inside = if was_inside.is_some() { None } else { Some(masks) };
        }
        match (masks, was_inside) {
            (false, _) => line.to_owned(),
            (true, Some(_)) => stars(line),
            (true, None) => without_value(line),
        }
    };
    text.split_inclusive('\n').map(mask).collect()
}

/// A line of which no more is left than a header or a key.
fn without_value(line: &str) -> String {
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c));
    let inside =
        |text: &str| text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::to_owned);
    if let Some(header) = inside(line.trim()) {
        let name = inside(&header).unwrap_or(header);
        return if is_name(&name) { line.to_owned() } else { stars(line) };
    }
    let key = line.find('=').filter(|at| is_name(line[..*at].trim())).map_or(0, |at| at + 1);
    let (key, value) = line.split_at(key);
    key.to_owned() + &stars(value)
}

/// As many asterisks as a text has bytes, except for its white space.
fn stars(text: &str) -> String {
    text.chars()
        .map(|one| if one.is_ascii_whitespace() { one.to_string() } else { "*".repeat(one.len_utf8()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::literal("password = \"hunter2\"\n", "password = *********\n")]
    #[case::another_word("root_passwd = 4242 # x", "root_passwd = **** * *")]
    #[case::amid_a_table("a = { b = 1, password = 'x' }", "a = * * * ** ******** * *** *")]
    #[case::many_lines(
        "token = '''\nhunter2\n'''\nuser = \"root\"",
        "token = ***\n*******\n***\nuser = \"root\""
    )]
    #[case::umlauts("password = \"ü\"", "password = ****")]
    #[case::nothing("address = \"kvm1\"", "address = \"kvm1\"")]
    #[case::many_lines_of_nothing("a = \"\"\"\npass\n\"\"\"", "a = \"\"\"\npass\n\"\"\"")]
    fn secrets_are_masked_where_they_stand(#[case] text: &str, #[case] expected: &str) {
        let masked = without_secrets(text);
        assert_eq!(masked, expected);
        assert_eq!(masked.len(), text.len());
    }

    #[rstest]
    #[case::mistyped("pasword = 'hunter2'\n", "pasword = *********\n")]
    #[case::without_quotes("  password = hunter2", "  password = *******")]
    #[case::a_second_line(
        "password = \"\"\"\nhunter2=x\n[hunter 2!]",
        "password = ***\n*********\n******* ***"
    )]
    #[case::headers("[[pair]]\n[pair.source]\n", "[[pair]]\n[pair.source]\n")]
    fn only_keys_are_left(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(without_values(text), expected);
    }
}
