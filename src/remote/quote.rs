//! Words of shell commands.

use std::borrow::Cow;

use shlex::Quoter;

/// A text as one word for a POSIX shell.
pub fn quote(text: &str) -> Cow<'_, str> {
    // shlex could only refuse a zero byte, which ssh passes on.
    Quoter::new().allow_nul(true).quote(text).unwrap_or_else(|error| unreachable!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_word_of_a_shell() {
        for text in ["", "vm1.qcow2", "a b", "it's $HOME `true` \"x\" \\", "two\nlines"] {
            let output =
                std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quote(text))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), text);
        }
    }
}
