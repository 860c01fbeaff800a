//! The documentation: every command in it is tried, every event and field of the record is described, and every message
//! that it explains exists.
//!
//! Commands that need no lab are run, on a small record where they want one. Of those that need one, the arguments are checked as
//! far as that goes without: what a filter selects, and whether the command line is understood. A command of a kind that is not
//! known here is a failure: teach it to [`Commands::try_one`].

#[path = "docs/blocks.rs"]
mod blocks;
#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/schema.rs"]
mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};

use commands::{Commands, Kind};
use schema::Schema;

/// The package. Asked for at run time, so that an archived test binary finds it elsewhere.
fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR").into()
}

/// README.md, CONTRIBUTING.md and docs/*.md: name and text.
fn pages() -> Vec<(String, String)> {
    let mut paths = Vec::from(["README.md", "CONTRIBUTING.md"].map(|name| package().join(name)));
    let docs = fs::read_dir(package().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    paths.sort();
    let name = |path: &Path| path.strip_prefix(package()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn page(name: &str) -> String {
    pages().into_iter().find(|(page, _)| page == name).unwrap_or_else(|| panic!("no {name}")).1
}

const CASES: [(&str, fn()); 8] = [
    ("every_command_is_tried", every_command_is_tried),
    ("examples_of_the_scenario_file_are_read", examples_of_the_scenario_file_are_read),
    ("links_lead_somewhere", links_lead_somewhere),
    ("the_record_is_described_field_by_field", the_record_is_described_field_by_field),
    ("every_metric_is_defined", every_metric_is_defined),
    ("every_kind_of_evidence_is_named", every_kind_of_evidence_is_named),
    ("every_message_exists", every_message_exists),
    ("every_command_of_nextest_is_tried", every_command_of_nextest_is_tried),
];

fn main() -> ExitCode {
    let trial = |(name, case): (&'static str, fn())| {
        Trial::ignorable_test(name, move || {
            if name == "every_command_of_nextest_is_tried" && !Kind::Nextest.is_there() {
                return Ok(Completion::ignored_with("needs cargo-nextest"));
            }
            case();
            Ok(Completion::Completed)
        })
    };
    libtest_mimic::run(&Arguments::from_args(), CASES.into_iter().map(trial).collect()).exit_code()
}

fn every_command_is_tried() {
    try_all(Kind::Ours, 60);
}

fn every_command_of_nextest_is_tried() {
    try_all(Kind::Nextest, 1);
}

/// Tries all commands of that kind, which are so many at least.
fn try_all(kind: Kind, least: usize) {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        for block in blocks::of(&text) {
            let commands = Commands::new(&package());
            for (line, command) in block.commands() {
                match commands.try_line(&command, kind) {
                    Ok(number) => tried += number,
                    Err(why) => wrong.push(format!(
                        "{name}:{line}: {command}\n  {}",
                        why.trim_end().replace('\n', "\n  ")
                    )),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} commands, {tried} are good:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried >= least, "only {tried} commands were found: are blocks still read?");
}

/// TOML in the documentation is a part of a scenario file: with the package's own, it is one.
fn examples_of_the_scenario_file_are_read() {
    let own = fs::read_to_string(package().join("scenarios.toml")).unwrap();
    let mut read = 0;
    for (name, text) in pages() {
        for block in blocks::of(&text).iter().filter(|block| block.language == "toml") {
            let whole = format!("{own}\n{}", block.text());
            if let Err(error) = multivm::scenario::ScenarioFile::parse(&name, &whole) {
                panic!("{name}:{}: {error}", block.line);
            }
            read += 1;
        }
    }
    assert!(read >= 3, "{read}");
}

fn links_lead_somewhere() {
    let pages = pages();
    for (name, text) in &pages {
        for link in blocks::links(text) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(name).parent().unwrap();
            let target = if file.is_empty() { PathBuf::from(name) } else { folder.join(file) };
            let found = package().join(&target).canonicalize();
            let found = found.unwrap_or_else(|error| panic!("{name}: {link}: {error}"));
            if !anchor.is_empty() {
                let text = fs::read_to_string(found).unwrap();
                assert!(
                    blocks::anchors(&text).iter().any(|one| one == anchor),
                    "{name}: no such heading: {link}"
                );
            }
        }
    }
}

fn the_record_is_described_field_by_field() {
    let page = page("docs/record.md");
    let sections = blocks::sections(&page);
    let described = |section: &str, field: &str, of: &str| {
        let text = &sections.iter().find(|(title, _)| title.contains(section));
        let text = &text.unwrap_or_else(|| panic!("docs/record.md has no section {section}")).1;
        let rows = text.lines().filter(|line| line.starts_with('|'));
        let found =
            rows.filter_map(|row| row.split('|').nth(1)).any(|cell| cell.contains(&format!("`{field}`")));
        assert!(found, "docs/record.md, {section}: {of} has a field `{field}`");
    };
    let schema = Schema::read(&package());
    for field in schema.of_every_line() {
        described("Every line", &field, "every line");
    }
    let events = schema.events();
    assert!(events.len() > 15, "{events:?}");
    for (name, fields) in events {
        assert!(page.contains(&format!("### `{name}`")), "docs/record.md does not have {name}");
        for field in fields {
            described(&format!("`{name}`"), &field, &name);
        }
    }
}

fn every_metric_is_defined() {
    let page = page("docs/metrics.md");
    let events = Schema::read(&package()).events();
    let (_, downtime) = events.into_iter().find(|(name, _)| name == "downtime").unwrap();
    for field in downtime.iter().filter(|field| field.ends_with("_ms")) {
        assert!(page.contains(&format!("`{field}`")), "docs/metrics.md does not have {field}");
    }
    for number in Schema::read(&package()).of_type("Numbers") {
        assert!(page.contains(&format!("`{number}`")), "docs/metrics.md does not have {number}");
    }
}

fn every_kind_of_evidence_is_named() {
    for name in ["docs/reading-a-report.md", "docs/record.md"] {
        let page = page(name);
        for file in multivm::play::EVIDENCE {
            assert!(page.contains(&format!("`{}`", file.pattern)), "{name} does not have {}", file.pattern);
        }
    }
}

/// Messages are headings in code; `...` stands for what differs.
fn every_message_exists() {
    let source = sources(&package().join("src"));
    let page = page("docs/troubleshooting.md");
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.len() > 15);
    for heading in headings {
        let messages: Vec<&str> = heading.split('`').skip(1).step_by(2).collect();
        assert!(!messages.is_empty(), "{heading}: a message is in backticks");
        for part in messages.iter().flat_map(|message| message.split("...")).map(str::trim) {
            assert!(source.contains(part), "docs/troubleshooting.md: no message has: {part}");
        }
    }
}

/// Every source file, one after the other, without the line breaks in the middle of texts.
fn sources(folder: &Path) -> String {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let texts = entries.iter().map(|path| match path.extension() {
        _ if path.is_dir() => sources(path),
        Some(extension) if extension == "rs" => joined(&fs::read_to_string(path).unwrap()),
        _ => String::new(),
    });
    texts.collect()
}

/// The text with each line that ends in a backslash joined to the next.
fn joined(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |joined, part| joined + part.trim_start())
}
