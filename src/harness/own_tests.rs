//! The names of multivm's own tests, from the programs that cargo built beside this one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Result};
use crate::sys::contained::lines;
use crate::sys::parallel::at_once;

/// The most programs of one target: a library's tests, a program and its tests. Older builds stay in the folder, too.
const PROGRAMS_OF_A_TARGET: usize = 4;

/// How long a program may take to list its tests, on a machine that is busy with a build.
const LIMIT: Duration = Duration::from_secs(120);

/// The names of all tests, as their programs list them. A program that lists none has none.
pub(super) fn names() -> Vec<String> {
    let programs = programs();
    let newest = programs.values().flat_map(|paths| paths.iter().take(PROGRAMS_OF_A_TARGET));
    at_once("list own tests", newest, |program| listed_by(program)).into_iter().flatten().flatten().collect()
}

/// The programs in this one's folder by the names of their targets, the newest first, without those of this target.
pub fn programs() -> BTreeMap<String, Vec<PathBuf>> {
    let Ok(me) = std::env::current_exe() else { return BTreeMap::new() };
    let beside = me.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    let mut all: Vec<PathBuf> = beside.map(|entry| entry.path()).collect();
    all.sort_by_cached_key(|path| path.metadata().and_then(|file| file.modified()).ok());
    let mut programs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in all.into_iter().rev() {
        if let Some(target) = target_of(&path) {
            programs.entry(target).or_default().push(path);
        }
    }
    if let Some(mine) = target_of(&me) {
        programs.remove(&mine);
    }
    programs
}

/// The name of the target in `NAME-0123456789abcdef`, which is cargo's name for a program that it builds.
fn target_of(path: &Path) -> Option<String> {
    let (name, hash) = path.file_name()?.to_str()?.rsplit_once('-')?;
    (hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_owned())
}

fn listed_by(program: &Path) -> Result<Vec<String>> {
    let attempted = || format!("list the tests of {}", program.display());
    let mut child = Command::new(program)
        .args(["--list", "--format", "terse"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .attempting(attempted)?;
    let begin = Instant::now();
    let mut names = Vec::new();
    if let Ok(output) = lines(child.stdout.take(), "a list of tests") {
        while let Ok(line) = output.recv_timeout(LIMIT.saturating_sub(begin.elapsed())) {
            names.extend(line.strip_suffix(": test").map(str::to_owned));
        }
    }
    // The program has closed its output, or is late.
    let _ = child.kill();
    child.wait().attempting(attempted)?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_program_lists_its_tests() {
        let names = listed_by(&std::env::current_exe().unwrap()).unwrap();
        assert!(names.iter().any(|name| name.ends_with("own_tests::tests::a_program_lists_its_tests")));
        assert_eq!(listed_by(Path::new("/bin/true")).unwrap(), Vec::<String>::new());
        assert!(listed_by(Path::new("/no/such/program")).is_err());
    }

    #[rstest]
    #[case("/target/debug/deps/as_root-ebc6cfc094110f34", Some("as_root"))]
    #[case("/target/debug/deps/as_root-ebc6cfc094110f34.d", None)]
    #[case("/target/debug/deps/libmultivm-ebc6cfc094110f34.rlib", None)]
    #[case("/target/debug/multivm", None)]
    fn what_cargo_built_is_known_by_its_name(#[case] path: &str, #[case] target: Option<&str>) {
        assert_eq!(target_of(Path::new(path)).as_deref(), target);
    }
}
