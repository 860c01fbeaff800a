//! What can be observed of a host, before and after, and what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::remote::{Facts, Remote};

const SCRIPT: &str = include_str!("state.sh");

/// How long a host may take to say it: its programs have half a minute each.
const LIMIT: Duration = Duration::from_secs(180);

/// So many differences of a kind are shown.
const SHOWN: usize = 5;

/// What was observed of a host at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// The lines of each kind.
    kinds: BTreeMap<String, BTreeSet<String>>,
    text: String,
}

impl HostState {
    /// Observes a host.
    pub fn of(remote: &Remote) -> Result<HostState> {
        HostState::said(&Facts::said(remote, SCRIPT, &[], LIMIT)?)
    }

    fn said(facts: &Facts) -> Result<HostState> {
        let mut text: Vec<String> =
            facts.texts().map(|(name, text)| format!("<<{name}\n{text}\n>>{name}\n")).collect();
        text.sort();
        HostState::parse(&(text.concat() + "end yes\n"))
    }

    /// Reads the text of an observation.
    pub fn parse(text: &str) -> Result<HostState> {
        let facts = Facts::parse(text)
            .ok_or_else(|| Failure::new("read what the host was like before", "the text has no end"))?;
        let kinds = facts.texts().map(|(name, text)| (name.to_owned(), lines(text))).collect();
        Ok(HostState { kinds, text: text.to_owned() })
    }

    /// The observation as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A sentence for each kind of which something is there now that was not there before, or the other way round.
    pub fn differences(&self, after: &HostState) -> Vec<String> {
        let empty = BTreeSet::new();
        let kinds: BTreeSet<&String> = self.kinds.keys().chain(after.kinds.keys()).collect();
        kinds
            .into_iter()
            .filter_map(|kind| {
                let (was, is) =
                    (self.kinds.get(kind).unwrap_or(&empty), after.kinds.get(kind).unwrap_or(&empty));
                let differs =
                    [("gone", was.difference(is)), ("new", is.difference(was))].map(|(what, lines)| {
                        let lines: Vec<&str> = lines.map(String::as_str).collect();
                        let more = if lines.len() > SHOWN {
                            format!(" and {} more", lines.len() - SHOWN)
                        } else {
                            String::new()
                        };
                        let shown = lines
                            .iter()
                            .take(SHOWN)
                            .map(|line| format!("`{line}`"))
                            .collect::<Vec<_>>()
                            .join(", ");
                        (!lines.is_empty()).then(|| format!("{what}: {shown}{more}"))
                    });
                let differs: Vec<String> = differs.into_iter().flatten().collect();
                (!differs.is_empty()).then(|| format!("{kind}: {}", differs.join("; ")))
            })
            .collect()
    }
}

/// The lines of a text. One that is there again has its number, so that nothing hides behind its like.
fn lines(text: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let mut count = 1;
        let mut numbered = line.to_owned();
        while !lines.insert(numbered) {
            count += 1;
            numbered = format!("{line} ({count})");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(links: &str, rules: &str) -> HostState {
        HostState::parse(&format!("<<links\n{links}\n>>links\n<<rules\n{rules}\n>>rules\nend yes\n")).unwrap()
    }

    #[test]
    fn the_same_is_the_same_in_any_order() {
        let before = state("lo 65536\nbr0 1500", "table inet x");
        assert!(before.differences(&state("br0 1500\nlo 65536", "table inet x")).is_empty());
        assert_eq!(HostState::parse(before.text()).unwrap(), before);
    }

    #[test]
    fn what_is_new_or_gone_is_named() {
        let before = state("lo 65536\nbr0 1500", "");
        let after = state("lo 65536\nmvm0 1450", "accept");
        assert_eq!(
            before.differences(&after),
            ["links: gone: `br0 1500`; new: `mvm0 1450`", "rules: new: `accept`"]
        );
    }

    #[test]
    fn what_is_there_twice_does_not_hide() {
        let differs = state("lo", "accept").differences(&state("lo", "accept\naccept"));
        assert_eq!(differs, ["rules: new: `accept (2)`"]);
    }

    #[test]
    fn a_text_that_was_cut_off_is_no_state() {
        assert!(HostState::parse("<<links\nlo\n").is_err());
    }

    #[test]
    fn a_host_says_what_it_is_like() {
        let seen = HostState::said(&Facts::of_this_machine(SCRIPT, &[])).unwrap();
        assert!(seen.kinds["links"].iter().any(|link| link.starts_with("lo ")), "{:?}", seen.kinds["links"]);
        assert!(!seen.kinds["mounts"].is_empty() && !seen.kinds["packages"].is_empty());
    }
}
