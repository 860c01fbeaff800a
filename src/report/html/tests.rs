//! What a page says, and that nothing of a record becomes a part of it. What it does is tested in `tests/report`.

use std::time::{Duration, SystemTime};

use super::*;
use crate::record::{Envelope, Event, LostLines, Part, RecordedProfile, RepairedPart, RunEnd, RunHeader};
use crate::record::{Finding, Outcome, Verdict};

/// What would be markup or script if it were not escaped.
const HOSTILE: &str =
    "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u{2028}&amp;'\"{{ 123457*3 }}";

fn run(text: &str, folder: &str) -> RunView {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut header = RunHeader::new("20260102T030405Z-1", [text.to_string()]);
    header.stack.insert("source.qemu".into(), text.into());
    header.profile = Some(RecordedProfile { name: Some(text.into()), ..RecordedProfile::default() });
    let mut outcome = Outcome::new(format!("precopy_orderly::in_vms::{text}"), Verdict::Failed, at);
    outcome.reason = Some(text.into());
    outcome.evidence = Some(format!("/r/20260102T030405Z-1/{folder}").into());
    let events = [
        Event::RunStarted(header),
        Event::ScenarioStarted { scenario: outcome.scenario.clone(), ignored: false },
        Event::CheckFailed(Finding {
            check: text.into(),
            guest: Some(text.into()),
            round: None,
            direction: None,
            expected: text.into(),
            seen: text.into(),
            try_next: Some(text.into()),
        }),
        Event::ScenarioFinished(outcome),
        Event::Repair { part: RepairedPart::Guest, what: text.into(), why: text.into() },
    ];
    view::from_events(events.into_iter().map(|event| (Envelope { at, t_ms: 5 }, event))).unwrap()
}

#[test]
fn nothing_of_a_record_is_markup() {
    let plain = render(&run("text", "evidence"), PageLocation::InRunFolder).unwrap();
    let hostile = render(&run(HOSTILE, "evidence"), PageLocation::InRunFolder).unwrap();
    for part in ["<script", "</script", "<img", "<!--"] {
        assert_eq!(hostile.matches(part).count(), plain.matches(part).count(), "{part}");
    }
    assert!(hostile.contains("&lt;img src=x onerror=alert(2)&gt;"), "the text itself is shown");
    assert!(hostile.contains(r"\u003c/script>"), "and is in the data");
    assert!(!hostile.contains("370371"), "and is no template");
}

#[test]
fn the_page_asks_for_nothing() {
    let page = render(&run("text", "evidence"), PageLocation::InRunFolder).unwrap();
    assert!(page.contains("default-src 'none'"));
    for reference in [" src=", "@import", "url(http", "<link", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn our_scripts_never_set_markup() {
    for script in SCRIPTS {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!script.contains(way), "{way}");
        }
    }
}

#[test]
fn every_phase_has_a_colour() {
    for phase in data::PHASES {
        assert!(STYLE.contains(&format!("--{phase}: light-dark(")), "{phase}");
    }
}

#[test]
fn evidence_is_a_link_where_the_report_lies_beside_it() {
    // As the template escapes it.
    let link = "href=\"scenarios&#x2f;a&#x2f;evidence&#x2f;\"";
    let view = run("text", "scenarios/a/evidence");
    assert!(render(&view, PageLocation::InRunFolder).unwrap().contains(link));
    assert!(!render(&view, PageLocation::Elsewhere).unwrap().contains(link));
    let outside = run("text", "../../etc");
    assert!(!render(&outside, PageLocation::InRunFolder).unwrap().contains(r#"href=".."#));
}

#[test]
fn a_run_without_an_end_says_so() {
    let page = render(&run("text", "evidence"), PageLocation::InRunFolder).unwrap();
    assert!(page.contains(r#"id="cut-off""#));
    let at = SystemTime::UNIX_EPOCH;
    let events = [
        Event::RunStarted(RunHeader::new("r", ["multivm".to_string()])),
        Event::RunFinished(RunEnd { passed: 0, failed: 0, ignored: 0, errors: 0, duration_s: 1.0 }),
    ];
    let view = view::from_events(events.into_iter().map(|event| (Envelope { at, t_ms: 5 }, event)));
    assert!(!render(&view.unwrap(), PageLocation::InRunFolder).unwrap().contains(r#"id="cut-off""#));
}

/// Those of nextest have one part a scenario: the run is still to be seen in one screen.
#[test]
fn a_record_that_lacks_lines_says_so() {
    let page =
        |lost| render(&RunView { lost, ..run("text", "evidence") }, PageLocation::InRunFolder).unwrap();
    assert!(!page(None).contains(r#"id="lost""#));
    let lost = LostLines {
        lines: [("check".into(), 3)].into(),
        from_t_ms: 1000,
        to_t_ms: 2000,
        why: "<No space>".into(),
    };
    let told = page(Some(lost));
    assert!(told.contains(r#"id="lost""#) && told.contains("3 of its lines are missing (3 check)"));
    assert!(told.contains("&lt;No space&gt;"));
}

#[test]
fn many_parts_of_a_merged_run_are_folded_up() {
    let mut view = run("text", "evidence");
    let part = |complete: bool| Part {
        run: "20260102T030405Z-1".into(),
        command: vec!["migration".into()],
        stack: Default::default(),
        profile: None,
        complete,
        seed: None,
        again: Vec::new(),
    };
    view.parts = vec![part(true), part(false)];
    let page = render(&view, PageLocation::InRunFolder).unwrap();
    assert!(page.contains(r#"<details id="parts" open>"#) && page.contains("<strong>1 cut off</strong>"));
    view.parts = vec![part(true); 5];
    let page = render(&view, PageLocation::InRunFolder).unwrap();
    assert!(page.contains(r#"<details id="parts">"#) && page.contains("Merged from 5 runs"));
    assert!(!page.contains("cut off</strong>"));
}
