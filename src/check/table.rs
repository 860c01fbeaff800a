//! The table of all checks as pages show it.

use super::{About, CHECKS, Moment};

/// README's table.
pub fn proofs() -> String {
    let rows = CHECKS.iter().map(|check| {
        let about = check.about();
        let how = match about.only {
            Some(only) => format!("{only}: {}", about.how),
            None => about.how.to_owned(),
        };
        format!("| {} | {how} | {} | `{}` |\n", about.summary, moments(about), about.id)
    });
    ["| proof | how | asked | name in findings |\n| --- | --- | --- | --- |\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect()
}

/// The troubleshooting page's table.
pub fn advice() -> String {
    let rows = CHECKS.iter().flat_map(|check| {
        let about = check.about();
        about
            .advice
            .iter()
            .map(move |advice| format!("| `{}` | {} | {} |\n", about.id, advice.when, advice.text))
    });
    ["| finding of | when | try next |\n| --- | --- | --- |\n".to_owned()].into_iter().chain(rows).collect()
}

fn moments(about: &About) -> String {
    about.asked.iter().map(Moment::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use rstest::rstest;

    use super::*;
    use crate::sys::page::has_table;

    fn abouts() -> impl Iterator<Item = &'static About> {
        CHECKS.iter().map(|check| check.about())
    }

    #[test]
    fn every_check_has_a_name_of_its_own_and_says_what_it_does() {
        let ids: BTreeSet<&str> = abouts().map(|about| about.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for about in abouts() {
            assert!(!about.summary.is_empty() && !about.how.is_empty(), "{about:?}");
            assert!(!about.asked.is_empty() && !about.advice.is_empty(), "{about:?}");
            let word = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(!about.id.is_empty() && about.id.chars().all(word), "{about:?}");
        }
    }

    /// The questions of [`Asked`](crate::check::Asked) that are answered with proofs, and when a case puts each of them.
    const QUESTIONS: [(&str, &[Moment]); 13] = [
        ("at_start", &[Moment::Start]),
        ("on_boot", &[Moment::Leg]),
        ("on_look", &[Moment::Leg, Moment::End]),
        ("on_silence", &[Moment::Leg, Moment::End]),
        ("on_hosts", &[Moment::Step, Moment::End]),
        ("on_leg", &[Moment::Leg]),
        ("on_refusal", &[Moment::Leg]),
        ("on_step", &[Moment::Step]),
        ("meanwhile", &[Moment::Always]),
        ("before_unload", &[Moment::End]),
        ("at_end", &[Moment::End]),
        ("at_standstill", &[Moment::End]),
        ("at_close", &[Moment::End]),
    ];

    /// The functions of the first item of a source text that begins so, which a closing brace at a line's beginning ends.
    fn functions<'a>(text: &'a str, item: &str) -> impl Iterator<Item = &'a str> {
        let begin = text.find(item).unwrap_or_else(|| panic!("no {item}"));
        let body = text[begin..].split("\n}").next().unwrap_or_default();
        body.lines().filter_map(|line| line.strip_prefix("    fn "))
    }

    #[test]
    fn every_question_has_its_moments() {
        let proofs = |line: &&str| line.contains("-> Vec<Proof>");
        let asked: Vec<&str> = functions(include_str!("asked.rs"), "pub trait Asked ")
            .filter(proofs)
            .filter_map(|line| line.split('(').next())
            .collect();
        assert_eq!(asked, QUESTIONS.map(|(question, _)| question));
    }

    /// A check answers those questions that its type implements: the moments of these are the moments in its description.
    #[test]
    fn every_check_says_when_it_is_asked() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check");
        for about in abouts() {
            let files = [folder.join(format!("{}.rs", about.id)), folder.join(about.id).join("mod.rs")];
            let text = files.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap();
            let moments: BTreeSet<Moment> = functions(&text, "impl Asked for ")
                .filter_map(|line| {
                    QUESTIONS.iter().find(|(question, _)| line.starts_with(&format!("{question}(")))
                })
                .flat_map(|(_, moments)| moments.iter().copied())
                .collect();
            assert_eq!(BTreeSet::from_iter(about.asked.iter().copied()), moments, "{}", about.id);
        }
    }

    #[test]
    fn every_file_of_a_check_is_in_the_table() {
        let listed: BTreeSet<String> = abouts().map(|about| about.id.to_owned()).collect();
        let parts = [
            "about",
            "answers",
            "asked",
            "guest_time",
            "kind",
            "look",
            "lost",
            "stays",
            "mod",
            "outage",
            "proof",
            "table",
            "witnessed",
        ];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| !parts.contains(&&**name))
            .collect();
        assert_eq!(files, listed);
    }

    /// What stands in a page between `<!-- checks -->` and `<!-- /checks -->` is made of the table.
    #[rstest]
    #[case("README.md", proofs())]
    #[case("docs/troubleshooting.md", advice())]
    fn the_pages_have_the_table(#[case] page: &str, #[case] table: String) {
        has_table(page, "checks", &table, "check::table");
    }
}
