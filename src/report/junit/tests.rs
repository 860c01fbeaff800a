use std::collections::BTreeMap;

use super::*;
use crate::record::Finding;
use crate::record::Numbers;
use crate::record::{Event, LostLines, Record, RecordedProfile, RunHeader, results_from_record};
use crate::scenario::Direction;
use roxmltree::{Document, Node};
use rstest::rstest;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn outcome(scenario: &str, verdict: Verdict) -> Outcome {
    let mut outcome = Outcome::new(scenario, verdict, at(0));
    outcome.duration = Duration::from_millis(2500);
    outcome
}

fn finding(check: &str, seen: &str) -> Finding {
    Finding {
        check: check.into(),
        guest: Some("vm2".into()),
        round: Some(3),
        direction: Some(Direction::Back),
        expected: "boot id 11aa".into(),
        seen: seen.into(),
        try_next: None,
    }
}

fn junit_from_record(record: &Path) -> Result<String, ReportError> {
    render(&results_from_record(record)?)
}

fn header() -> RunHeader {
    RunHeader {
        run: "20260102T030405Z-1".into(),
        command: vec!["multivm".into(), "postcopy".into()],
        stack: BTreeMap::from([("source.qemu".into(), "10.0.2 <pve>".into())]),
        profile: Some(RecordedProfile { guests: Some(3), ..RecordedProfile::default() }),
        ..RunHeader::default()
    }
}

fn results(outcomes: &[Outcome]) -> Results {
    Results { header: header(), outcomes: outcomes.to_vec(), lost: None }
}

fn one_of_each() -> Vec<Outcome> {
    let mut failed = outcome("postcopy_cross::in_vms::stress_memory", Verdict::Failed);
    failed.started = at(10);
    failed.findings = vec![finding("reboot", "boot id 22bb"), finding("reachable", "no reply for 9000 ms")];
    failed.numbers.longest_gap_ms = Some(9000);
    failed.evidence = Some("results/x/evidence".into());
    let mut error = outcome("precopy_orderly::booting::load_vm", Verdict::Error);
    error.reason = Some("host target: the NFS server is gone\nshowmount: timed out".into());
    let mut ignored = outcome("fault::nfs_stop", Verdict::Ignored);
    ignored.reason = Some("needs KVM".into());
    let mut interrupted = outcome("precopy_cross::in_vms::stress_cpu", Verdict::Interrupted);
    interrupted.reason = Some("SIGINT".into());
    let passed = outcome("precopy_orderly::in_vms::stress_cpu", Verdict::Passed);
    vec![passed, failed, error, ignored, interrupted, outcome("single", Verdict::NotRun)]
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Node<'a, 'i> {
    node.children()
        .find(|child| child.has_tag_name(name))
        .unwrap_or_else(|| panic!("no <{name}> in {node:?}"))
}

fn cases<'a, 'i>(document: &'a Document<'i>) -> Vec<Node<'a, 'i>> {
    document.descendants().filter(|node| node.has_tag_name("testcase")).collect()
}

fn properties(node: Node) -> BTreeMap<String, String> {
    let text = |property: Node, name| property.attribute(name).unwrap().to_string();
    child(node, "properties")
        .children()
        .filter(Node::is_element)
        .map(|property| (text(property, "name"), text(property, "value")))
        .collect()
}

/// What `junit-10.xsd` of Jenkins' xUnit plugin allows, and the two additions of the module's comment.
fn assert_jenkins_takes_it(document: &Document) {
    let rules: [(&str, &[&str], &[&str]); 9] = [
        ("testsuites", &["name", "time", "tests", "failures", "errors", "skipped"], &["testsuite"]),
        (
            "testsuite",
            &["name", "tests", "failures", "errors", "time", "skipped", "timestamp"],
            &["properties", "testcase"],
        ),
        (
            "testcase",
            &["name", "time", "classname"],
            &["properties", "skipped", "error", "failure", "system-out", "system-err"],
        ),
        ("properties", &[], &["property"]),
        ("property", &["name", "value"], &[]),
        ("failure", &["type", "message"], &[]),
        ("error", &["type", "message"], &[]),
        ("skipped", &["type", "message"], &[]),
        ("system-out", &[], &[]),
    ];
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let (_, attributes, children) =
            rules.iter().find(|rule| rule.0 == name).unwrap_or_else(|| panic!("<{name}>"));
        for attribute in node.attributes() {
            assert!(attributes.contains(&attribute.name()), "{name}@{}", attribute.name());
        }
        // The order of the rules is stricter than the schema, and what older consumers expect.
        let order: Vec<usize> = node
            .children()
            .filter(Node::is_element)
            .map(|child| {
                let child = child.tag_name().name();
                children.iter().position(|c| *c == child).unwrap_or_else(|| panic!("<{child}> in <{name}>"))
            })
            .collect();
        assert!(order.is_sorted(), "children of <{name}>: {order:?}");
    }
}

#[test]
fn jenkins_takes_it() {
    let xml = render(&results(&one_of_each())).unwrap();
    let document = Document::parse(&xml).unwrap();
    assert_jenkins_takes_it(&document);
    for node in [document.root_element(), child(document.root_element(), "testsuite")] {
        let counts = ["tests", "failures", "errors", "skipped"].map(|name| node.attribute(name).unwrap());
        assert_eq!(counts, ["6", "1", "1", "3"]);
        // From the first start to the end of the one that began 10 s later.
        assert_eq!(node.attribute("time"), Some("12.500"));
    }
}

#[test]
fn the_suite_says_on_what_it_ran() {
    let xml = render(&results(&one_of_each())).unwrap();
    let document = Document::parse(&xml).unwrap();
    let suite = child(document.root_element(), "testsuite");
    assert_eq!(suite.attribute("name"), Some("multivm"));
    assert_eq!(suite.attribute("timestamp"), Some("2023-11-14T22:13:20.000+00:00"));
    let properties = properties(suite);
    assert_eq!(properties["source.qemu"], "10.0.2 <pve>");
    assert_eq!(properties["command"], "multivm postcopy");
    assert_eq!(properties["profile"], r#"{"guests":3}"#);
}

#[test]
fn a_failure_says_everything() {
    let outcomes = one_of_each();
    let xml = render(&results(&outcomes)).unwrap();
    let document = Document::parse(&xml).unwrap();
    let case = cases(&document)[1];
    assert_eq!(case.attribute("name"), Some("postcopy_cross::in_vms::stress_memory"));
    assert_eq!(case.attribute("classname"), Some("multivm.postcopy_cross.in_vms"));
    assert_eq!(case.attribute("time"), Some("2.500"));
    assert_eq!(properties(case)["longest_gap_ms"], "9000");
    assert_eq!(properties(case)["evidence"], "results/x/evidence");
    let failure = child(case, "failure");
    assert_eq!(
        failure.attribute("message"),
        Some("reboot: guest vm2, round 3, target to source (and 1 more)")
    );
    assert_eq!(failure.attribute("type"), Some("reboot"));
    assert_eq!(failure.text(), Some(outcomes[1].failure_text().as_str()));
    assert_eq!(child(case, "system-out").text(), Some("[[ATTACHMENT|results/x/evidence]]\n"));
}

#[test]
fn the_other_verdicts() {
    let xml = render(&results(&one_of_each())).unwrap();
    let document = Document::parse(&xml).unwrap();
    let cases = cases(&document);
    let error = child(cases[2], "error");
    assert_eq!(error.attribute("message"), Some("host target: the NFS server is gone"));
    assert_eq!(error.attribute("type"), Some("environment"));
    assert!(error.text().unwrap().contains("showmount: timed out"));
    assert_eq!(child(cases[3], "skipped").attribute("message"), Some("needs KVM"));
    assert_eq!(child(cases[4], "skipped").attribute("message"), Some("interrupted: SIGINT"));
    assert_eq!(child(cases[5], "skipped").attribute("message"), Some("not run: no reason given"));
    assert_eq!(cases[5].attribute("classname"), Some("multivm"));
}

/// Each number of a scenario, and none of them short.
fn every_number() -> Numbers {
    let (time, count) = (Some(12_345.678), Some(12_345_678));
    Numbers {
        migrations: count,
        mean_migration_s: time,
        longest_migration_s: time,
        transferred_mib: Some(12_345_678),
        longest_downtime_ms: Some(12_345_678),
        median_downtime_ms: Some(12_345_678),
        longest_synced_write_ms: time,
        median_synced_write_ms: time,
        disagreeing_downtimes: count,
        longest_gap_ms: Some(12_345_678),
        longest_qemu_downtime_ms: Some(12_345_678),
        compressed_pages: Some(12_345_678),
        preparing_s: time,
        loading_s: time,
        booting_s: time,
        ordering_s: time,
        migrating_s: time,
        looking_s: time,
        proving_s: time,
        settling_s: time,
        unloading_s: time,
        imaging_s: time,
        collecting_s: time,
        longest_wait_s: time,
        longest_wait_for: Some("looking: vm12345".into()),
        repairing_s: time,
        floor_s: time,
        played: count,
    }
}

#[rstest]
#[case::markup("<oops> & \"quotes\" ]]> 'x'", "<oops> & \"quotes\" ]]> 'x'")]
#[case::escapes("\u{1b}[31mred\u{1b}[0m", "red")]
#[case::control("a\0b\u{8}c\u{b}d", "abcd")]
#[case::tabs("a\tb\r\nc", "a    b\nc")]
#[case::non_characters("a\u{fffe}b\u{ffff}c", "a\u{fffd}b\u{fffd}c")]
#[case::beyond("\u{1f4a5} \u{2028} \u{e9}", "\u{1f4a5} \u{2028} \u{e9}")]
fn any_text_becomes_xml(#[case] text: &str, #[case] expected: &str) {
    let mut failed = outcome(&format!("a::{text}"), Verdict::Failed);
    failed.findings = vec![finding("kernel_log", text)];
    failed.evidence = Some(text.into());
    let mut skipped = outcome("b", Verdict::Ignored);
    skipped.reason = Some(text.into());
    let mut header = header();
    header.stack.insert(text.into(), text.into());

    let xml = render(&Results { header, ..results(&[failed, skipped]) }).unwrap();
    let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    assert_jenkins_takes_it(&document);
    let failure = child(cases(&document)[0], "failure");
    let wanted = format!("seen: {}", expected.replace('\n', "\n    "));
    assert!(failure.text().unwrap().contains(&wanted), "{xml}");
}

#[test]
fn a_second_run_of_a_scenario_has_its_own_name() {
    let outcomes = ["a::b", "a::b", "a::c"].map(|name| outcome(name, Verdict::Passed));
    let xml = render(&results(&outcomes)).unwrap();
    let document = Document::parse(&xml).unwrap();
    let names: Vec<_> = cases(&document).iter().map(|case| case.attribute("name").unwrap()).collect();
    assert_eq!(names, ["a::b", "a::b #2", "a::c"]);
}

#[test]
fn evidence_is_attached_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["b.log", "a.xml"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    let mut failed = outcome("a::b", Verdict::Failed);
    failed.evidence = Some(folder.path().into());
    let xml = render(&results(&[failed])).unwrap();
    let document = Document::parse(&xml).unwrap();
    let text = child(cases(&document)[0], "system-out").text().unwrap();
    let path = folder.path().display();
    assert_eq!(text, format!("[[ATTACHMENT|{path}/a.xml]]\n[[ATTACHMENT|{path}/b.log]]\n"));
}

#[test]
fn an_endless_log_is_cut_in_the_middle() {
    let mut failed = outcome("a::b", Verdict::Failed);
    failed.findings = vec![finding("kernel_log", &"\u{e9}".repeat(200_000))];
    let xml = render(&results(&[failed])).unwrap();
    let document = Document::parse(&xml).unwrap();
    let text = child(cases(&document)[0], "failure").text().unwrap();
    assert!(text.starts_with("kernel_log: guest vm2") && text.ends_with("--exact a::b"));
    assert!(
        text.contains("characters left out; the whole text is in record.jsonl of the run 20260102T030405Z-1")
    );
    assert!(text.len() < 64 * 1024 + 300);
}

/// GitLab: less than 30 MB, at most 250 000 XML objects, counted here as elements, attributes and texts.
#[rstest]
#[case::the_matrix("", 1)]
#[case::with_every_size("::set_memory_2", 4)]
fn the_worst_matrix_stays_under_the_limits_of_gitlab(#[case] suffix: &str, #[case] times: usize) {
    let names: Vec<&str> = include_str!("../../../tests/golden/names.txt").lines().collect();
    let number = times * names.len();
    // What takes most room for its length: a character that XML writes with six.
    let endless = "\"<oops>\" \u{1f4a5}\n".repeat(1_000_000 / number);
    let long = "\"".repeat(5000);
    let outcomes: Vec<Outcome> = (0..number)
        .map(|index| {
            let name = names[index % names.len()];
            let mut failed = outcome(&format!("{name}{suffix}{}", index / names.len()), Verdict::Failed);
            if index % 3 == 0 {
                failed.verdict = Verdict::Interrupted;
                failed.reason = Some(long.clone());
            }
            failed.findings = vec![finding("kernel_log", &endless), finding(&long, "b")];
            failed.numbers = every_number();
            failed.evidence = Some("/a/rather/long/way/to/the/evidence/of/this/scenario".into());
            failed
        })
        .collect();
    let mut header = header();
    header.command.extend((0..1000).map(|filter| format!("filter_{filter}")));
    header.stack.insert("warning".into(), long);
    let xml = render(&Results { header, ..results(&outcomes) }).unwrap();
    assert!(xml.len() < 30_000_000, "{} bytes", xml.len());
    let document = Document::parse(&xml).unwrap();
    assert_jenkins_takes_it(&document);
    let objects: usize = document.descendants().map(|node| 1 + node.attributes().len()).sum();
    assert!(objects < 250_000, "{objects} objects");
    let cases = cases(&document);
    assert_eq!(cases.len(), number);
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.attribute("name")).collect();
    assert_eq!(names.len(), number);
    for case in cases.iter().filter(|case| case.children().any(|child| child.has_tag_name("failure"))) {
        let text = child(*case, "failure").text().unwrap();
        assert!(text.starts_with("kernel_log: guest vm2") && text.contains("left out; the whole text is in"));
    }
}

#[test]
fn the_record_of_a_killed_run_makes_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::create(folder.path(), header()).unwrap();
    let done = one_of_each();
    for outcome in &done {
        record.write(&Event::ScenarioStarted { scenario: outcome.scenario.clone(), ignored: false }).unwrap();
        for finding in &outcome.findings {
            record.write(&Event::CheckFailed(finding.clone())).unwrap();
        }
        record.write(&Event::ScenarioFinished(outcome.clone())).unwrap();
    }
    assert_eq!(junit_from_record(folder.path()).unwrap(), render(&results(&done)).unwrap());

    record.write(&Event::ScenarioStarted { scenario: "died::here".into(), ignored: false }).unwrap();
    let leg = Event::LegStarted { guest: "vm1".into(), round: 2, direction: Direction::Out, step: 3 };
    record.write(&leg).unwrap();
    let xml = junit_from_record(record.path()).unwrap();
    let document = Document::parse(&xml).unwrap();
    assert_jenkins_takes_it(&document);
    let cases = cases(&document);
    assert_eq!(cases.len(), done.len() + 1);
    let error = child(cases[done.len()], "error");
    assert!(error.attribute("message").unwrap().starts_with("no result: the scenario began at "));
    assert!(
        error
            .text()
            .unwrap()
            .contains("its last event is leg_started of guest vm1, round 2, source to target")
    );
}

#[test]
fn a_scenario_that_was_played_again_is_one_case_and_the_fixtures_facts_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::create(folder.path(), header()).unwrap();
    let facts = BTreeMap::from([("accelerator".to_string(), "TCG".to_string())]);
    record.write(&Event::FixtureReady { name: "hosts".into(), duration_s: 1.0, facts }).unwrap();
    for _ in 0..2 {
        record.write(&Event::ScenarioStarted { scenario: "a::b".into(), ignored: false }).unwrap();
    }
    record.write(&Event::ScenarioFinished(outcome("a::b", Verdict::Passed))).unwrap();
    let Results { header, outcomes, .. } = results_from_record(folder.path()).unwrap();
    assert_eq!(header.stack["accelerator"], "TCG");
    assert_eq!(outcomes, [outcome("a::b", Verdict::Passed)]);
}

#[test]
fn a_record_that_lacks_lines_is_a_property_of_the_suite() {
    let lost = |xml: &str| {
        let document = Document::parse(xml).unwrap();
        assert_jenkins_takes_it(&document);
        properties(child(document.root_element(), "testsuite")).remove("lost_lines")
    };
    let whole = results(&one_of_each());
    assert_eq!(lost(&render(&whole).unwrap()), None);
    let lines = LostLines {
        lines: [("check".into(), 3)].into(),
        from_t_ms: 1000,
        to_t_ms: 2000,
        why: "No space left on device".into(),
    };
    let told = lost(&render(&Results { lost: Some(lines), ..whole }).unwrap()).unwrap();
    assert_eq!(
        told,
        "3 of its lines are missing (3 check), due 1.0 to 2.0 s after its beginning: No space left on device"
    );
}

#[test]
fn no_beginning_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    fs::write(&path, "").unwrap();
    let error = junit_from_record(&path).unwrap_err().to_string();
    assert!(error.contains("no run_started event"), "{error}");
}

#[test]
fn the_file_is_what_was_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    write(&path, &results(&one_of_each())).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), render(&results(&one_of_each())).unwrap());
}
