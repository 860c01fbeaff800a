//! The sources, read as text.

use std::fs;
use std::path::Path;

/// Every source file, one after the other, without the line breaks in the middle of texts.
pub fn all(folder: &Path) -> String {
    let mut text = String::new();
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            text.push_str(&all(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path).unwrap();
            let mut continued = false;
            for line in lines.lines() {
                let line = if continued { line.trim_start() } else { line };
                continued = line.ends_with('\\');
                text.push_str(line.trim_end_matches('\\'));
                if !continued {
                    text.push('\n');
                }
            }
        }
    }
    text
}

/// The names under which the sources insert numbers of a scenario.
pub fn numbers(folder: &Path) -> Vec<String> {
    let text = all(folder);
    // Tests insert others.
    let inserts =
        text.split("numbers.insert(\"").skip(1).filter_map(|rest| rest.split_once("\".into(), format!"));
    let mut numbers: Vec<String> =
        inserts.map(|(name, _)| name.to_owned()).filter(|name| name.len() < 40).collect();
    numbers.extend(["migrations", "played", "transferred_mib", "migrating_s"].map(str::to_owned));
    numbers.sort();
    numbers.dedup();
    assert!(numbers.len() > 6, "{numbers:?}");
    numbers
}
