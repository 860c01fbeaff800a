//! The sources, read as text: which events there are, and which fields they have, as the record writes them.

use std::fs;
use std::path::Path;

pub struct Source(Vec<String>);

#[derive(Debug)]
pub struct Variant {
    /// As in the record: in snake case.
    pub name: String,
    /// Its own fields.
    pub fields: Vec<String>,
    /// Types whose fields are its own, too.
    pub types: Vec<String>,
}

pub fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Source(text.lines().map(str::to_owned).collect())
}

impl Source {
    /// The lines between `pub KIND NAME ... {` and the brace that closes it, which stands at the line's beginning.
    fn body(&self, kind: &str, name: &str) -> impl Iterator<Item = &str> {
        let head = format!("pub {kind} {name} {{");
        let begin = self.0.iter().position(|line| *line == head).unwrap_or_else(|| panic!("no `{head}`"));
        self.0[begin + 1..].iter().map(String::as_str).take_while(|line| *line != "}")
    }

    /// The fields of a struct, under the names that serde gives them.
    pub fn fields(&self, name: &str) -> Vec<String> {
        let mut fields = Vec::new();
        let mut renamed = None;
        for line in self.body("struct", name) {
            if let Some((_, rest)) = line.split_once("rename = \"") {
                renamed = rest.split('"').next().map(str::to_owned);
            }
            if let Some((field, _)) = line.strip_prefix("    pub ").and_then(|line| line.split_once(':')) {
                fields.push(renamed.take().unwrap_or_else(|| field.to_owned()));
            }
        }
        assert!(!fields.is_empty(), "{name} has no fields");
        fields
    }

    /// The variants of an enum.
    pub fn variants(&self, name: &str) -> Vec<Variant> {
        let mut variants: Vec<Variant> = Vec::new();
        let mut flat = false;
        for line in self.body("enum", name) {
            let own =
                line.strip_prefix("    ").filter(|text| text.starts_with(|c: char| c.is_ascii_uppercase()));
            let field = line
                .strip_prefix("        ")
                .filter(|text| text.starts_with(|c: char| c.is_ascii_lowercase()));
            if let Some(own) = own {
                let end = own.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(own.len());
                let inner = own[end..].strip_prefix('(').and_then(|rest| rest.split(')').next());
                variants.push(Variant {
                    name: snake(&own[..end]),
                    fields: Vec::new(),
                    types: inner.map(str::to_owned).into_iter().collect(),
                });
            } else if let (Some(text), Some(last)) = (field, variants.last_mut()) {
                let Some((name, kind)) = text.split_once(": ") else { continue };
                if flat {
                    last.types.push(kind.trim_end_matches(',').to_owned());
                } else {
                    last.fields.push(name.to_owned());
                }
                flat = false;
            }
            flat |= line.contains("serde(flatten)");
        }
        variants
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

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
