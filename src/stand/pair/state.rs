//! What can be observed of a host, before and after, and what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::remote::{Facts, Remote};

const SCRIPT: &str = include_str!("state.sh");

/// How long a host may take to say it: its programs have half a minute each.
const LIMIT: Duration = Duration::from_secs(180);

/// The kind whose lines are what did not let itself be observed.
const UNOBSERVED: &str = "unobserved";

/// The number of differences of a kind that are shown.
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

    /// A sentence for each kind of which something is there now that was not there before, or the other way round, and for whatever was not
    /// observed at one of these moments: nobody knows that it is the same.
    pub fn differences(&self, after: &HostState) -> Vec<String> {
        let empty = BTreeSet::new();
        let kinds: BTreeSet<&String> = self.kinds.keys().chain(after.kinds.keys()).collect();
        let unobserved = [(self, "before"), (after, "now")].into_iter().flat_map(|(state, when)| {
            let missed = state.kinds.get(UNOBSERVED).into_iter().flatten();
            missed.map(move |line| format!("not observed {when}: {line}"))
        });
        let differs = kinds.into_iter().filter(|kind| *kind != UNOBSERVED).filter_map(|kind| {
            let (was, is) = (self.kinds.get(kind).unwrap_or(&empty), after.kinds.get(kind).unwrap_or(&empty));
            let differs = [("gone", was.difference(is)), ("new", is.difference(was))].map(|(what, lines)| {
                let lines: Vec<&str> = lines.map(String::as_str).collect();
                let more = if lines.len() > SHOWN {
                    format!(" and {} more", lines.len() - SHOWN)
                } else {
                    String::new()
                };
                let shown =
                    lines.iter().take(SHOWN).map(|line| format!("`{line}`")).collect::<Vec<_>>().join(", ");
                (!lines.is_empty()).then(|| format!("{what}: {shown}{more}"))
            });
            let differs: Vec<String> = differs.into_iter().flatten().collect();
            (!differs.is_empty()).then(|| format!("{kind}: {}", differs.join("; ")))
        });
        unobserved.chain(differs).collect()
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
    use super::super::testing::Sandbox;
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
    fn what_was_not_observed_is_not_called_the_same() {
        let missed = "<<unobserved\nrules: `nft list ruleset` ended with 124\n>>unobserved\nend yes\n";
        let (seen, unseen) = (state("lo", ""), HostState::parse(missed).unwrap());
        let what = "rules: `nft list ruleset` ended with 124";
        assert_eq!(
            unseen.differences(&unseen),
            [format!("not observed before: {what}"), format!("not observed now: {what}")]
        );
        assert!(seen.differences(&unseen).contains(&format!("not observed now: {what}")));
    }

    /// A host with these programs, which its own do not get in the way of.
    fn said(programs: &[(&str, &str)]) -> HostState {
        let host = Sandbox::leased();
        for none in
            ["nft", "iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"]
        {
            host.program(none, "#!/bin/sh\n");
        }
        for (name, script) in programs {
            host.program(name, &format!("#!/bin/sh\n{script}\n"));
        }
        let output = host.sh(&[include_str!("../../remote/prelude.sh"), SCRIPT].concat());
        HostState::said(&Facts::parse(&String::from_utf8_lossy(&output.stdout)).unwrap()).unwrap()
    }

    #[test]
    fn a_program_that_fails_is_told_of() {
        let seen = said(&[("nft", "exit 3"), ("virsh", "exit 1")]);
        let missed: Vec<&str> = seen.kinds[UNOBSERVED].iter().map(String::as_str).collect();
        assert!(missed.contains(&"rules: `nft list ruleset` ended with 3"), "{missed:?}");
        assert!(missed.iter().any(|line| line.starts_with("domains: `virsh ")), "{missed:?}");
    }

    #[test]
    fn old_and_new_rules_are_listed_and_empty_tables_are_not() {
        let table = "echo '*filter'; echo ':INPUT ACCEPT [3:4]'; echo ':FORWARD DROP [0:0]'; echo COMMIT";
        let seen = said(&[
            ("nft", "echo table inet f"),
            ("iptables-legacy-save", &format!("{table}; echo '-A INPUT -j ACCEPT'")),
            ("ip6tables-legacy-save", "echo '*filter'; echo ':INPUT ACCEPT [3:4]'; echo COMMIT"),
        ]);
        let rules: Vec<&str> = seen.kinds["rules"].iter().map(String::as_str).collect();
        assert_eq!(
            rules,
            ["iptables filter -A INPUT -j ACCEPT", "iptables filter :FORWARD DROP", "table inet f"]
        );
    }

    #[test]
    fn zones_of_firewalld_are_listed_where_it_runs() {
        let rule = "rule family=ipv4 source address=192.0.2.12 accept";
        let seen = said(&[("firewall-cmd", &format!("[ \"$*\" = --list-all-zones ] && echo '{rule}'"))]);
        assert_eq!(seen.kinds["zones"], BTreeSet::from([rule.to_owned()]));
        let unobserved = |status: u8| {
            let seen = said(&[("firewall-cmd", &format!("exit {status}"))]);
            seen.kinds[UNOBSERVED].iter().any(|line| line.starts_with("zones: "))
        };
        assert_eq!([252, 124].map(unobserved), [false, true]);
    }

    #[test]
    fn domains_that_run_are_told_from_others() {
        let virsh =
            "case $* in *'list --all --name') printf 'web\\nold\\n\\n' ;; *' list --name') echo web ;; esac";
        let seen = said(&[("virsh", virsh)]);
        assert_eq!(seen.kinds["domains"], BTreeSet::from(["old", "web", "web runs"].map(str::to_owned)));
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
