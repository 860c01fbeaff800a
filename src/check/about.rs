//! A check in words: one description that `explain`, the documentation, findings and the self-tests read.

use std::fmt;

/// A check in words. Every check has one, and every proof points at it.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    /// The check's name in findings and in the record.
    pub id: &'static str,
    /// What the check proves, in a few words.
    pub summary: &'static str,
    /// What the check looks at, and what it compares that with. Markdown.
    pub how: &'static str,
    /// The moments at which the check may answer with proofs: those of the questions that it implements of
    /// [`Asked`](super::Asked).
    pub asked: &'static [Moment],
    /// The scenarios that ask the check, if not all of them do. Markdown.
    pub only: Option<&'static str>,
    /// Whether the scenario goes on with its next move after a finding.
    pub goes_on: bool,
    /// Why the check's findings may be chance; none if they never are. A scenario without other findings is then played once
    /// more, and only the second play counts.
    pub chance: Option<&'static str>,
    /// What to do about the check's findings. Every proof's advice is one of these.
    pub advice: &'static [Advice],
}

impl About {
    /// The fields that most checks share, for `..About::BASE`.
    pub const BASE: About = About {
        id: "",
        summary: "",
        how: "",
        asked: &[],
        only: None,
        goes_on: false,
        chance: None,
        advice: &[],
    };
}

/// A moment at which a scenario asks a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the first move.
    Start,
    /// At any time of the scenario, as soon as something is seen.
    Always,
    /// After every migration of a guest, before that guest moves again.
    Leg,
    /// After every step: all migrations that were under way together.
    Step,
    /// After the last move.
    End,
}

impl Moment {
    pub const ALL: [Moment; 5] = [Moment::Start, Moment::Always, Moment::Leg, Moment::Step, Moment::End];
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Moment::Start => "start",
            Moment::Always => "always",
            Moment::Leg => "leg",
            Moment::Step => "step",
            Moment::End => "end",
        })
    }
}

/// What to do about one kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// Which kind: what the guest, the host or the migration did.
    pub when: &'static str,
    /// What to look at or to try next.
    pub text: &'static str,
}

impl Advice {
    pub const fn new(when: &'static str, text: &'static str) -> Advice {
        Advice { when, text }
    }
}

/// Markdown without its links: `[budget](#budgets)` becomes `budget`. Code stays in backticks.
pub fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once('[') {
        let linked = after.split_once("](").and_then(|(words, tail)| Some((words, tail.split_once(')')?.1)));
        let Some((words, tail)) = linked else { break };
        text.push_str(before);
        text.push_str(words);
        rest = tail;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("no link", "no link")]
    #[case("a [budget](#budgets), and `[[budget]]`", "a budget, and `[[budget]]`")]
    #[case("[a](b)[c](d)", "ac")]
    #[case("an [open one](x", "an [open one](x")]
    fn links_become_their_words(#[case] markdown: &str, #[case] text: &str) {
        assert_eq!(plain(markdown), text);
    }
}
