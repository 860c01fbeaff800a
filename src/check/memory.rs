//! Memory intact: the pattern in the guest's memory went on changing, and every page of it is as it must be.

use super::Proof;
use crate::guest::MemoryProof;

const CHECK: &str = "memory";

/// Compares what the witness found with what it had found before; `before` is how many pages it had rewritten then.
/// Between two looks that follow each other at once nothing `must_grow`.
pub fn check(before: u64, found: &MemoryProof, must_grow: bool) -> Proof {
    let since =
        if must_grow { format!(", some of them rewritten since {before} were") } else { String::new() };
    let expected = format!("{} pages as they must be{since}", found.pages);
    if found.bad > 0 {
        let pages = found.bad_pages.join("\n");
        let seen = format!("{} bad pages at generation {}:\n{pages}", found.bad, found.generation);
        return Proof::new(CHECK, false, expected, seen).try_next(
            "kind=generation: an older page came across, a lost write; kind=address or pattern: a wrong page or a \
             damaged one. The page's address is in the guest's program multivm-witness",
        );
    }
    let seen = format!(
        "{} pages verified, generation {}, {} rewritten",
        found.pages, found.generation, found.rewritten
    );
    let moved = found.rewritten > before || (!must_grow && found.rewritten == before);
    let proof = Proof::new(CHECK, moved && found.pages > 0, expected, seen);
    if proof.ok { proof } else { proof.try_next("the writer in the guest stands still: did the guest hang?") }
}

/// The witness did not answer.
pub fn unknown(why: &str) -> Proof {
    let expected = "the witness in the guest verifies its memory and its records";
    Proof::new(CHECK, false, expected, format!("not known: {why}"))
        .try_next("did it die? /run/multivm-witness.log in the guest, and the guest's kernel log")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(5, 0, true, true)]
    #[case(4, 0, true, false)]
    #[case(4, 0, false, true)]
    #[case(3, 0, false, false)]
    #[case(5, 1, true, false)]
    fn it_must_change_and_be_whole(
        #[case] rewritten: u64,
        #[case] bad: u64,
        #[case] must_grow: bool,
        #[case] ok: bool,
    ) {
        let found =
            MemoryProof { pages: 8192, generation: 2, rewritten, bad, bad_pages: vec!["page=3".into()] };
        let proof = check(4, &found, must_grow);
        assert_eq!(proof.ok, ok);
        assert_eq!(proof.seen.contains("page=3"), bad > 0);
    }
}
