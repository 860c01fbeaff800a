//! Arrows from a file to the files whose items it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::source::Module;

/// A module, by its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<String>);

impl Place {
    /// The room of the module: the first part of its path.
    pub fn room(&self) -> &str {
        &self.0[0]
    }
}

/// One file uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    pub from: Place,
    pub to: Place,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from.0.join("::"), self.to.0.join("::"))
    }
}

type Modules = BTreeMap<Vec<String>, Module>;

/// All arrows between the files of a crate, sorted. What a folder's `mod.rs` passes on of its children is no arrow: whoever
/// uses it uses the child.
pub fn arrows(modules: &Modules) -> Vec<Arrow> {
    let mut all = BTreeSet::new();
    for module in modules.values().filter(|module| !module.name.is_empty()) {
        let used = module.paths.iter().filter_map(|path| home(modules, module, path));
        let passed_on = module.passed_on.iter().filter_map(|path| home(modules, module, path));
        let passed_on = passed_on.filter(|to| !to.starts_with(&module.name));
        for to in used.chain(passed_on).filter(|to| !to.is_empty() && *to != module.name) {
            all.insert(Arrow { from: Place(module.name.clone()), to: Place(to) });
        }
    }
    all.into_iter().collect()
}

/// The module in which the item of a path was made; none if the item is another crate's, or of a name within a function.
fn home(modules: &Modules, from: &Module, path: &[String]) -> Option<Vec<String>> {
    // A name that is passed on in a circle would be followed without end.
    follow(modules, from, path, 20)
}

fn follow(modules: &Modules, from: &Module, path: &[String], steps: u32) -> Option<Vec<String>> {
    let (mut place, mut rest) = match path.first()?.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (from.name.clone(), &path[1..]),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            (from.name[..from.name.len().checked_sub(up)?].to_vec(), &path[up..])
        }
        child if from.children.contains(child) => (from.name.clone(), path),
        // A `use` of that name is an arrow of its own; what stands behind another name leads on.
        name => {
            let to = from.names.get(name).filter(|to| to.first() != path.first())?;
            return follow(modules, from, &[&to[..], &path[1..]].concat(), steps.checked_sub(1)?);
        }
    };
    while let Some(next) = rest.first() {
        let module = modules.get(&place)?;
        if module.children.contains(next) {
            place.push(next.clone());
            rest = &rest[1..];
        } else if let Some(to) = module.names.get(next) {
            let led = follow(modules, module, &[&to[..], &rest[1..]].concat(), steps.checked_sub(1)?);
            // What a module passes on of another crate counts as its own.
            return Some(led.unwrap_or(place));
        } else {
            break;
        }
    }
    Some(place)
}

/// The arrows that are on a circle, or between circles.
pub fn in_circles(all: &[Arrow]) -> Vec<Arrow> {
    let mut left = all.to_vec();
    loop {
        let from: BTreeSet<Place> = left.iter().map(|arrow| arrow.from.clone()).collect();
        let to: BTreeSet<Place> = left.iter().map(|arrow| arrow.to.clone()).collect();
        let count = left.len();
        left.retain(|arrow| from.contains(&arrow.to) && to.contains(&arrow.from));
        if left.len() == count {
            return left;
        }
    }
}
