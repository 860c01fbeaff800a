//! How long a text in JUnit may be: readers of the file have limits, and a run can have findings without end.
//!
//! GitLab refuses a file of 30 MB or more, and one of more than 250 000 XML objects. The number of objects is no concern: a
//! scenario makes less than a hundred, and a matrix with sizes has some thousand. So bytes are what is shared out: what did not pass shares
//! [`ALL_TEXTS`] and [`ALL_ATTACHMENTS`]; the rest of a scenario is a few kilobytes.

use crate::report::shorten::{beginning, without_middle};

/// The most bytes of one text. Nobody reads more in a CI page.
const LONGEST_TEXT: usize = 64 * 1024;

/// The most bytes of all texts together.
const ALL_TEXTS: usize = 18_000_000;

/// The most bytes of all lines of attachments together.
const ALL_ATTACHMENTS: usize = 3_000_000;

/// The most attached files of one evidence folder. More files help nobody, and each is a line in the page.
const MOST_ATTACHMENTS: usize = 50;

/// The most bytes of an attribute in a list, such as a message or a property.
const LONGEST_ATTRIBUTE: usize = 2000;

/// The limits of one scenario that did not pass.
#[derive(Clone, Copy)]
pub(super) struct CaseLimits {
    text: usize,
    attachments: usize,
}

impl CaseLimits {
    /// The limits in a report with that many scenarios that did not pass.
    pub fn for_cases(number: usize) -> CaseLimits {
        let number = number.max(1);
        CaseLimits { text: LONGEST_TEXT.min(ALL_TEXTS / number), attachments: ALL_ATTACHMENTS / number }
    }

    /// Cuts a long text in its middle: its beginning has the first finding, its end the command for another run. `whole`
    /// names the place of the whole text.
    pub fn text(self, text: &str, whole: &str) -> String {
        without_middle(text, self.text, cost, whole)
    }

    /// Joins as many of the lines as fit, and always the first.
    pub fn lines(self, lines: impl Iterator<Item = String>) -> String {
        let mut kept = String::new();
        let mut bytes = 0;
        for line in lines.take(MOST_ATTACHMENTS) {
            bytes += written(&line);
            if !kept.is_empty() && bytes > self.attachments {
                break;
            }
            kept.push_str(&line);
        }
        kept
    }
}

/// Cuts a text for an attribute at its end.
pub(super) fn attribute(text: &str) -> String {
    if written(text) <= LONGEST_ATTRIBUTE {
        return text.to_string();
    }
    format!("{} ...", &text[..beginning(text.chars(), LONGEST_ATTRIBUTE, cost)])
}

/// The length of a text in XML, in bytes.
fn written(text: &str) -> usize {
    text.chars().map(cost).sum()
}

/// The length of a character in XML, in bytes.
fn cost(char: char) -> usize {
    match char {
        '<' | '>' => "&lt;".len(),
        '&' => "&amp;".len(),
        '"' | '\'' => "&quot;".len(),
        // An attribute has a reference in their place.
        '\n' | '\r' => "&#10;".len(),
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        let limits = CaseLimits::for_cases(1);
        assert_eq!(limits.text("a <b>", "the record"), "a <b>");
        assert_eq!(attribute("a <b>"), "a <b>");
    }

    #[test]
    fn what_does_not_is_cut_where_a_character_ends() {
        let text = "\u{1f4a5}<".repeat(20_000);
        let limits = CaseLimits::for_cases(1);
        let cut = limits.text(&text, "the record");
        assert!(written(&cut) < LONGEST_TEXT + 200, "{}", written(&cut));
        assert!(cut.starts_with('\u{1f4a5}') && cut.ends_with('<'));
        let kept = cut.matches('\u{1f4a5}').count() + cut.matches('<').count();
        assert!(cut.contains(&format!(
            "[... {} characters left out; the whole text is in the record",
            40_000 - kept
        )));
        assert!(written(&attribute(&text)) <= LONGEST_ATTRIBUTE + 4);
    }

    #[test]
    fn many_share_what_there_is() {
        for number in [1, 100, 1000, 10_000] {
            let limits = CaseLimits::for_cases(number);
            assert!(limits.text * number <= ALL_TEXTS && limits.attachments * number <= ALL_ATTACHMENTS);
        }
        let lines = || std::iter::repeat_n("[[ATTACHMENT|a]]\n".to_string(), 90);
        assert_eq!(CaseLimits::for_cases(1).lines(lines()).lines().count(), MOST_ATTACHMENTS);
        assert_eq!(CaseLimits::for_cases(10_000_000).lines(lines()).lines().count(), 1);
    }
}
