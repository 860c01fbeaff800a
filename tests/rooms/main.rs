//! The house: rooms use rooms below them only, as docs/architecture.md has them, and no two files use each other, not even
//! by way of others.

mod arrows;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use arrows::{Arrow, arrows, in_circles};
use rstest::rstest;
use source::Module;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn arrows_of(root: &str) -> Vec<Arrow> {
    arrows(&Module::read_all(&repository().join(root)))
}

/// Files of a folder's `mod.rs` count as well: what its children share has a file of its own beside them.
#[rstest]
#[case::of_the_library("src/lib.rs")]
#[case::of_the_commands("src/bin/multivm/main.rs")]
fn no_files_use_each_other_in_a_circle(#[case] root: &str) {
    let all = arrows_of(root);
    assert!(all.len() > 20, "{root} has only {} arrows: they are not read any more", all.len());
    let circles: Vec<String> = in_circles(&all).iter().map(Arrow::to_string).collect();
    assert!(
        circles.is_empty(),
        "circles in {root}: give what both ends need a file of its own\n{}",
        circles.join("\n")
    );
}

/// A new kind of hosts is a folder of `src/stand` and its lines there: whoever works on hosts asks the table of kinds.
#[rstest]
#[case::of_the_library("src/lib.rs")]
#[case::of_the_commands("src/bin/multivm/main.rs")]
fn only_the_room_of_hosts_names_a_kind_of_them(#[case] root: &str) {
    let modules = Module::read_all(&repository().join(root));
    // Variants are in camel case, constants and functions are not.
    let is_variant = |name: &str| {
        name.starts_with(|first: char| first.is_uppercase()) && name.chars().any(char::is_lowercase)
    };
    let names_a_kind = |path: &&Vec<String>| {
        path.windows(2).any(|pair| match pair[0].as_str() {
            "StandKind" => is_variant(&pair[1]),
            "stand" => ["lab", "machines"].contains(&pair[1].as_str()),
            _ => false,
        })
    };
    // The doctor of the lab looks at what is under it, and images are built by the lab's means.
    let may: [&[&str]; 3] = [&["stand"], &["doctor", "lab"], &["image"]];
    let may_name_one = |module: &&Module| {
        let name: Vec<&str> = module.name.iter().map(String::as_str).collect();
        may.iter().any(|place| name.starts_with(place))
    };
    let outside = modules.values().filter(|module| !may_name_one(module));
    let named: Vec<String> = outside
        .flat_map(|module| module.paths.iter().filter(names_a_kind).map(move |path| (module, path)))
        .map(|(module, path)| format!("{}: {}", module.name.join("::"), path.join("::")))
        .collect();
    assert!(named.is_empty(), "kinds of hosts that {root} names outside of src/stand\n{}", named.join("\n"));
}

/// The floor of each room, by the table in docs/architecture.md.
fn floors() -> BTreeMap<String, u32> {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| floor |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let floor: u32 = cells.next().unwrap().parse().unwrap();
        let rooms: Vec<String> =
            cells.next().unwrap().split(", ").map(|room| room.trim_matches('`').to_owned()).collect();
        rooms.into_iter().map(move |room| (room, floor))
    })
    .collect()
}

#[test]
fn rooms_use_rooms_below_them() {
    let floors = floors();
    let all = arrows_of("src/lib.rs");
    let rooms: BTreeSet<&str> = all.iter().flat_map(|arrow| [arrow.from.room(), arrow.to.room()]).collect();
    let listed: BTreeSet<&str> = floors.keys().map(String::as_str).collect();
    assert_eq!(rooms, listed, "the rooms of src, and those of the table in docs/architecture.md");
    let goes_down = |arrow: &&Arrow| floors[arrow.from.room()] > floors[arrow.to.room()];
    let between = all.iter().filter(|arrow| arrow.from.room() != arrow.to.room());
    let others: Vec<String> =
        between.filter(|arrow| !goes_down(arrow)).map(|arrow| arrow.to_string()).collect();
    assert!(
        others.is_empty(),
        "arrows to a room above or beside, by docs/architecture.md\n{}",
        others.join("\n")
    );
}

/// Reads the arrows of a crate of three files: `lib.rs` has `mod a; mod b;`, and the others are these.
fn of_two(a: &str, b: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", b)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    arrows(&Module::read_all(&folder.path().join("lib.rs"))).iter().map(Arrow::to_string).collect()
}

#[rstest]
#[case::a_use("use crate::b::Thing;")]
#[case::a_use_of_several("use std::fmt; use super::{b::{self, Thing as Other}};")]
#[case::a_path("fn act() { super::b::act(); }")]
#[case::a_path_in_a_macro("fn act() { println!(\"{}\", crate::b::NAME); }")]
#[case::by_another_name("pub use super::b as other; fn act() { other::act(); }")]
fn an_arrow_is_seen(#[case] a: &str) {
    assert_eq!(of_two(a, "pub struct Thing;"), ["a -> b"]);
}

#[rstest]
#[case::a_comment("// use crate::b::Thing;\n/// See [crate::b].\nfn act() {}")]
#[case::a_text("const TEXT: &str = \"crate::b\";")]
#[case::tests("#[cfg(test)]\nmod tests { use crate::b::Thing; }")]
#[case::a_file_of_tests("#[cfg(test)]\nmod tests;")]
#[case::somebody_elses("use std::b::Thing;")]
fn what_is_no_arrow_is_none(#[case] a: &str) {
    assert_eq!(of_two(a, ""), Vec::<String>::new());
}

#[test]
fn a_name_is_followed_to_its_file() {
    assert_eq!(of_two("use crate::b::Path;", "pub use std::path::Path;"), ["a -> b"]);
    let back = of_two("pub struct Thing; fn act() { crate::b::act(); }", "use crate::a::Thing;");
    assert_eq!(back, ["a -> b", "b -> a"]);
    let own = of_two("pub struct Mine; use crate::b::Other;", "pub use crate::a::Mine as Other;");
    assert_eq!(own, ["b -> a"], "what another file passes on is where it was made");
}
