//! What a command asks for.

use libtest_mimic::{Arguments, FormatSetting};

use super::latest;
use crate::failure::Problem;
use crate::run::{Plan, RunOptions};
use crate::scenario::{RunIgnored, Selection};

/// The parsed arguments.
#[derive(Debug)]
pub struct Request {
    pub options: RunOptions,
    pub libtest: Arguments,
    pub selection: Selection,
}

impl Request {
    /// The plan of a run that plays, or only lists, what the user asks for.
    ///
    /// # Errors
    ///
    /// The request cannot be met. Nothing is touched.
    pub fn plan(&self) -> Result<Plan, Problem> {
        Plan::read(&self.options, &self.selection, self.asked(), self.libtest.list)
    }

    /// Whether the user asks for cases beyond the matrix.
    pub fn asked(&self) -> RunIgnored {
        RunIgnored::by_flags(self.libtest.ignored, self.libtest.include_ignored)
    }

    /// A mistake plays nothing, so no earlier run may pass for this command's: takes `latest` away, and says so. A list plays
    /// nothing on purpose, and leaves it.
    pub fn withdraw_for(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Input(message) if !self.libtest.list => {
                let note =
                    latest::withdrawn(&self.options.results()).map(|note| format!("\n  = note: {note}"));
                Problem::Input(message + &note.unwrap_or_default())
            }
            problem => problem,
        }
    }

    /// Whether the list of scenarios is for people, who also want the sets. A terse list is for programs, such as nextest.
    pub fn lists_for_people(&self) -> bool {
        let terse = self.libtest.quiet || matches!(self.libtest.format, Some(FormatSetting::Terse));
        self.libtest.list && !terse
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::{fixture, rstest};

    use super::super::args;
    use super::*;
    use crate::scenario::{Scenario, ScenarioFile, Set};

    /// The package's own file with four cases beyond the matrix and two sets, one of which names some of them.
    #[fixture]
    fn folder() -> tempfile::TempDir {
        let beyond = r#"
[[ignored]]
cases = { transport = ["xbzrle"], order = ["cross"], where = ["in_vms"], what = ["stress_cpu", "stress_memory"] }
reason = "a test"

[set.crossing]
description = "a test"
filters = ["precopy_cross::in_vms::stress_cpu", "stress_memory::xbzrle"]
"#;
        let folder = tempfile::tempdir().unwrap();
        let package = include_str!("../../scenarios.toml").replace(r#"["plain", "xbzrle"]"#, r#"["plain"]"#);
        // Without the constraint and the set about the value that is now beyond the axis.
        let package = without(package, "[[constraint]]\nwhen = { transport");
        let package = without(package, "[set.ci]");
        // This does not count the file's own cases beyond the matrix.
        let mut blocks = package.split("\n[[ignored]]\n");
        let before = blocks.next().unwrap().to_owned();
        let rest = blocks.map(|block| block.split_once("\n\n").map_or("", |(_, rest)| rest));
        let text = rest.fold(before, |text, rest| text + "\n" + rest) + beyond;
        std::fs::write(folder.path().join("own.toml"), text).unwrap();
        folder
    }

    /// The file without the paragraph that begins with a given text.
    fn without(file: String, begins: &str) -> String {
        let start = file.find(begins).unwrap();
        let end = start + file[start..].find("\n\n").unwrap();
        file[..start].to_owned() + &file[end..]
    }

    /// The request of these arguments. Options that are not among them have their defaults, even if this test's environment
    /// sets them, like that of a whole `cargo test`.
    fn request(file: &Path, arguments: &[&str]) -> Request {
        let mut all = vec!["migration", "--scenarios", file.to_str().unwrap()];
        for default in [["--set", Set::ALL], ["--shard", "1/1"], ["--profile", "lab"]] {
            if !arguments.contains(&default[0]) {
                all.extend(default);
            }
        }
        all.extend(arguments);
        args::parse(all.into_iter().map(str::to_owned)).unwrap()
    }

    /// Number of played scenarios, and of ignored ones, for these arguments.
    #[rstest]
    #[case::nothing(&[], None, 2)]
    #[case::ignored(&["--ignored"], Some(4), 0)]
    #[case::both(&["--include-ignored", "precopy_cross::in_vms"], Some(4 + 2), 0)]
    #[case::one_of_them(&["--ignored", "stress_cpu::xbzrle"], Some(2), 0)]
    #[case::named_in_full(&["--ignored", "--exact", "precopy_cross::in_vms::stress_cpu::xbzrle"], Some(1), 0)]
    #[case::named_but_not_asked_for(&["--exact", "precopy_cross::in_vms::stress_cpu::xbzrle"], Some(0), 1)]
    #[case::a_set_that_names_them(&["--set", "crossing"], Some(1 + 2), 0)]
    #[case::a_part(&["--ignored", "--shard", "1/4"], Some(1), 0)]
    fn cases_beyond_the_matrix_are_played_when_they_are_asked_for(
        folder: tempfile::TempDir,
        #[case] arguments: &[&str],
        #[case] played: Option<usize>,
        #[case] at_least_ignored: usize,
    ) {
        let file = folder.path().join("own.toml");
        let request = request(&file, arguments);
        let plan = request.plan().unwrap();
        let own = |scenario: &&Scenario| scenario.name().contains("cross::in_vms::");
        let count = plan.scenarios.iter().filter(|one| plan.scenarios.len() < 50 || own(one)).count();
        match played {
            Some(played) => assert_eq!(count, played, "{:?}", plan.scenarios),
            None => assert_eq!(plan.scenarios, plan.file.scenarios()),
        }
        let ignored = plan.not_played();
        assert!(ignored.len() >= at_least_ignored);
        assert!(ignored.iter().all(|case| plan.file.ignored_because(case).is_some()));
        assert!(at_least_ignored > 0 || ignored.iter().all(|case| !own(&case)));
    }

    /// A case's part does not depend on the flags: nextest lists with `--ignored` and without.
    #[rstest]
    fn the_parts_have_every_case_once(folder: tempfile::TempDir) {
        let file = folder.path().join("own.toml");
        let names = |flag: &str, part: usize| -> Vec<String> {
            let shard = format!("{part}/3");
            let plan = request(&file, &[flag, "--shard", &shard]).plan().unwrap();
            plan.scenarios.iter().map(Scenario::name).collect()
        };
        let mut all = Vec::new();
        for part in 1..=3 {
            let both = names("--include-ignored", part);
            assert!(names("--ignored", part).iter().all(|name| both.contains(name)));
            all.extend(both);
        }
        let file = ScenarioFile::load(&file).unwrap();
        let mut wanted: Vec<String> =
            file.scenarios().iter().chain(&file.ignored()).map(Scenario::name).collect();
        all.sort();
        wanted.sort();
        assert_eq!(all, wanted);
    }
}
