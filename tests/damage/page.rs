//! The page of all damages, docs/damages.md, which is made of the tables.

use std::path::PathBuf;
use std::{env, fs};

use multivm_fixtures::selftest::Damage;

use crate::TABLES;

const BEGIN: &str = "<!-- damages -->\n";
const END: &str = "<!-- /damages -->\n";

/// What stands in the page between its two marks is made of the tables. With `MULTIVM_BLESS=1` this test writes it anew.
pub fn shows_every_damage() -> Result<(), String> {
    let path =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo does not say where the package is")?)
            .join("docs/damages.md");
    let page = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let (head, rest) = page.split_once(BEGIN).ok_or("docs/damages.md has no mark where the table begins")?;
    let (_, tail) = rest.split_once(END).ok_or("docs/damages.md has no mark where the table ends")?;
    let wanted = format!("{head}{BEGIN}\n{}\n{END}{tail}", table());
    if page == wanted {
        return Ok(());
    }
    if env::var_os("MULTIVM_BLESS").is_some() {
        return fs::write(&path, wanted).map_err(|error| format!("write {}: {error}", path.display()));
    }
    Err("docs/damages.md has another table of the damages. Run\n  MULTIVM_BLESS=1 cargo test --test damage page::".to_owned())
}

fn table() -> String {
    let rows = TABLES.iter().copied().flatten().map(row);
    ["| damage | it must lead to exactly | played |\n| --- | --- | --- |\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect()
}

fn row(damage: &Damage) -> String {
    let of = |finds: &[_]| finds.iter().map(ToString::to_string).collect::<Vec<_>>().join("<br>");
    let mut leads_to = match damage.finds {
        [] => "nothing: the scenario passes".to_owned(),
        finds => of(finds),
    };
    if !damage.last_finds.is_empty() {
        leads_to += &format!("<br>in the last look of a run: {}", of(damage.last_finds));
    }
    if !damage.then_finds.is_empty() {
        leads_to += &format!("<br>in the scenario after it: {}", of(damage.then_finds));
    }
    let played = match damage.like {
        Some(like) => format!("`--ignored`; as a rule `{like}` instead"),
        None if damage.slow => "`--ignored`".to_owned(),
        None => "always".to_owned(),
    };
    let (name, leads_to) = (damage.name, leads_to.replace('|', "\\|"));
    format!("| `{name}` | {leads_to} | {played} |\n")
}
