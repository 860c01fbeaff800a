//! What a selection leaves to a test target whose tests are no scenarios and have names of their own, such as those of the
//! self-test. A filter that means one of them and fits none is a mistake, as it is for scenarios.

use std::process::ExitCode;

use libtest_mimic::Trial;

use super::args::one_at_a_time;
use super::fit::names_it;
use super::latest;
use super::own_tests;
use super::request::Request;
use crate::failure::Problem;
use crate::failure::input::{InputError, quoted, suggestion};
use crate::scenario::{RunIgnored, Selection};
use crate::sys::terminal;

/// A test of such a target.
#[derive(Debug, Clone, Copy)]
pub struct NamedTest<'a> {
    pub name: &'a str,
    /// Whether a command plays the test only with a flag.
    pub ignored: bool,
}

/// The exit code of a process that plays none of its target's tests, after it has written the list or the message that is
/// due; none if the process plays any.
pub fn unplayed(request: &Request, tests: &[NamedTest<'_>]) -> Option<ExitCode> {
    let libtest = &request.libtest;
    // nextest lists twice, with --ignored and without.
    let asked = if libtest.list { RunIgnored::Yes } else { request.asked() };
    let target = AskedTests { tests, selection: &request.selection, asked };
    if let Some(mistake) = target.mistake(own_tests::names) {
        let note = note(request).map(|note| format!("\n  = note: {note}"));
        return Some(Problem::Input(format!("{mistake}{}", note.unwrap_or_default())).report());
    }
    if !libtest.list && target.played().next().is_some() {
        return None;
    }
    let trial = |test: &NamedTest<'_>| Trial::test(test.name, || Ok(())).with_ignored_flag(test.ignored);
    let conclusion = libtest_mimic::run(&one_at_a_time(libtest), target.selected().map(trial).collect());
    let line = (!libtest.list).then(|| target.nothing_to_play()).flatten();
    let words: Vec<String> = line.into_iter().chain(note(request)).collect();
    if !words.is_empty() {
        terminal::say(&format!("multivm: {}", words.join("; ")));
    }
    Some(conclusion.exit_code())
}

/// Removes `latest` for a process that plays nothing, so that no earlier run passes for this command's, and returns the
/// message about it; none without a link, and none for a list, which leaves it alone.
fn note(request: &Request) -> Option<String> {
    if request.libtest.list { None } else { latest::withdrawn(&request.options.results()) }
}

/// The tests of a target, and what a command wants of them.
struct AskedTests<'a> {
    tests: &'a [NamedTest<'a>],
    selection: &'a Selection,
    asked: RunIgnored,
}

impl<'a> AskedTests<'a> {
    fn selected(&self) -> impl Iterator<Item = &'a NamedTest<'a>> {
        let selection = self.selection;
        self.tests.iter().filter(move |test| selection.matches(test.name))
    }

    fn played(&self) -> impl Iterator<Item = &'a NamedTest<'a>> {
        let asked = self.asked;
        self.selected().filter(move |test| asked.plays(test.ignored))
    }

    /// The mistake in the selection: a filter that means a test of this target, and fits none or only such as are not played; or a
    /// skip that means one and fits none. A filter that names a test of `others` is none.
    fn mistake(&self, others: impl FnOnce() -> Vec<String>) -> Option<InputError> {
        let nothing = self.played().next().is_none();
        let (fitting, strangers): (Vec<&str>, Vec<&str>) =
            self.selection.filters.iter().map(String::as_str).partition(|filter| self.fits(filter));
        let is_in_vain = |filter: &&str| nothing && self.is_of_a_family(filter);
        let mut in_vain: Vec<&str> = fitting.into_iter().filter(is_in_vain).collect();
        let idle = self.selection.skip.iter().map(String::as_str).filter(|skip| !self.fits(skip));
        let mut unknown: Vec<&str> =
            strangers.into_iter().chain(idle).filter(|filter| self.resembles_one(filter)).collect();
        if in_vain.is_empty() && unknown.is_empty() {
            return None;
        }
        let others = others();
        unknown.retain(|filter| !self.is_elsewhere(filter, &others));
        in_vain.retain(|filter| !self.is_elsewhere(filter, &others));
        if !unknown.is_empty() {
            return Some(self.unknown(&unknown));
        }
        (!in_vain.is_empty()).then(|| self.nothing_left(&in_vain))
    }

    fn fits(&self, filter: &str) -> bool {
        self.tests.iter().any(|test| self.selection.hit(filter, test.name))
    }

    /// Whether the first section of a filter is the first one of a test's name.
    fn is_of_a_family(&self, filter: &str) -> bool {
        self.tests.iter().any(|test| family(test.name) == family(filter))
    }

    /// Whether a filter that fits no test looks like the name of one.
    fn resembles_one(&self, filter: &str) -> bool {
        self.tests.iter().any(|test| filter.starts_with(family(test.name))) || self.near(filter).is_some()
    }

    /// Whether a filter means a test of another target. One that begins like the tests of this target, which have two sections,
    /// does so only if it has more, or consists of whole sections of the other's name.
    fn is_elsewhere(&self, filter: &str, others: &[String]) -> bool {
        let mut hit = others.iter().filter(|name| self.selection.hit(filter, name));
        hit.any(|name| {
            !self.is_of_a_family(filter) || filter.matches("::").count() > 1 || names_it(filter, name)
        })
    }

    /// The help line with the names closest to a filter.
    fn near(&self, filter: &str) -> Option<String> {
        let names = self.tests.iter().map(|test| test.name);
        let without_family = names.clone().filter_map(|name| Some(name.split_once("::")?.1));
        suggestion(filter, names.chain(without_family))
    }

    fn unknown(&self, filters: &[&str]) -> InputError {
        let (whose, part) = match self.selection.exact {
            true => ("is", "a whole name"),
            false => ("contains", "any part of a name"),
        };
        let what = format!("there is no test whose name {whose} {}", quoted(filters.iter().copied()));
        let mut help: Vec<String> = filters.iter().filter_map(|filter| self.advice(filter)).collect();
        help.push(format!("allowed: {part}; --list lists them"));
        InputError::new(&what, &help)
    }

    fn advice(&self, filter: &str) -> Option<String> {
        let first = self.tests.iter().map(|test| test.name).find(|name| name.contains(filter));
        match first {
            Some(first) => Some(format!("without --exact `{filter}` chooses tests, such as `{first}`")),
            None => self.near(filter),
        }
    }

    /// The message about filters that fit tests none of which is played.
    fn nothing_left(&self, filters: &[&str]) -> InputError {
        let those = format!("everything whose name has {}", quoted(filters.iter().copied()));
        let count = self.selected().count();
        let (what, help) = if count == 0 {
            (format!("{those} is skipped"), "allowed: skips that leave at least one test".to_owned())
        } else if self.asked == RunIgnored::Only {
            (format!("nothing is ignored of {those}"), format!("without --ignored that is {count} tests"))
        } else {
            let help = "allowed: --ignored or --include-ignored";
            (format!("{those} is ignored: {count} in all"), help.to_owned())
        };
        InputError::new(&what, &[help])
    }

    /// The line about filters that leave nothing to play; none without filters.
    fn nothing_to_play(&self) -> Option<String> {
        let filters = quoted(self.selection.filters.iter().map(String::as_str));
        (!filters.is_empty()).then(|| format!("no test to play here has {filters} in its name"))
    }
}

/// The first section of a name.
fn family(name: &str) -> &str {
    name.split_once("::").map_or(name, |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::args;
    use super::*;

    const TESTS: [NamedTest<'_>; 3] = [
        NamedTest { name: "damage::guest_reboot", ignored: false },
        NamedTest { name: "damage::link_down_for_20_s", ignored: true },
        NamedTest { name: "harmless::host_is_used", ignored: false },
    ];

    const OTHERS: [&str; 4] = [
        "selftest::damage::tests::one_more_is_a_failure",
        "check::memory::tests::a_damaged_page_is_found",
        "harmlessness_is_proved",
        "precopy_cross::in_vms::stress_cpu",
    ];

    #[rstest]
    #[case::everything("", None)]
    #[case::only_ignored("--ignored", None)]
    #[case::one("damage::guest_reboot", None)]
    #[case::a_family("damage", None)]
    #[case::one_of_two("damage::guest_reboot some_test", None)]
    #[case::near_miss("damage::guest_rebot", Some("did you mean `damage::guest_reboot`?"))]
    #[case::near_miss_beside_one("harmless damage::guest_rebot", Some("`damage::guest_reboot`"))]
    #[case::without_its_family("guest_rebot", Some("did you mean `guest_reboot`?"))]
    #[case::nobodys("damage::no_such_thing_at_all", Some("there is no test whose name contains"))]
    #[case::a_part("--exact damage::guest", Some("without --exact `damage::guest` chooses tests"))]
    #[case::a_test_elsewhere("damage::tests::one_more", None)]
    #[case::a_test_elsewhere_that_begins_like_ours("harmlessness_is_proved", None)]
    #[case::a_part_of_one_elsewhere("a_damaged_page", None)]
    #[case::a_scenario("precopy_cross", None)]
    #[case::like_nothing_of_ours("some_test", None)]
    #[case::ignored("damage::link_down", Some("is ignored: 1 in all"))]
    #[case::ignored_and_asked_for("--ignored damage::link_down", None)]
    #[case::ignored_and_asked_for_with_others("--include-ignored damage", None)]
    #[case::ignored_and_not_named("link_down", None)]
    #[case::not_ignored("--ignored damage::guest_reboot", Some("nothing is ignored of everything"))]
    #[case::skipped("damage --skip damage", Some("is skipped"))]
    #[case::skips_nothing("--skip guest_rebot", Some("did you mean `guest_reboot`?"))]
    #[case::skips_a_test_elsewhere("--skip a_damaged_page", None)]
    fn a_filter_that_means_a_test_of_this_target_fits_one(
        #[case] arguments: &str,
        #[case] told: Option<&str>,
    ) {
        let words = ["damage"].into_iter().chain(arguments.split_whitespace());
        let request = args::parse(words.map(str::to_owned)).unwrap();
        let target = AskedTests { tests: &TESTS, selection: &request.selection, asked: request.asked() };
        let mistake = target.mistake(|| OTHERS.map(str::to_owned).to_vec()).map(|error| error.to_string());
        assert_eq!(mistake.is_some(), told.is_some(), "{mistake:?}");
        assert!(mistake.unwrap_or_default().contains(told.unwrap_or_default()));
    }

    #[test]
    fn a_process_that_plays_nothing_says_so_if_it_was_given_filters() {
        let target = |filters: &[&str]| {
            let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
            let selection = Selection { filters, ..Selection::default() };
            AskedTests { tests: &TESTS, selection: &selection, asked: RunIgnored::No }.nothing_to_play()
        };
        assert_eq!(target(&[]), None);
        let line = target(&["some_test", "another"]).unwrap();
        assert_eq!(line, "no test to play here has `some_test`, `another` in its name");
    }
}
