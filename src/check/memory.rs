//! Memory intact: the pattern in the guest's memory kept changing, and every page of it has its right content.

use std::time::Instant;

use super::witnessed::{Testimonies, Witnessed};
use super::{About, Advice, Asked, Check, GuestLook, Moment, Outage, Proof, Scene, lines};
use crate::failure::Result;
use crate::guest::{MemoryProof, Testimony};

pub static ABOUT: About = About {
    id: "memory",
    summary: "memory intact",
    how: "a program in the guest keeps rewriting 32 MiB (`MULTIVM_PATTERN_MEMORY`) in which every page has its address and \
          generation; every page is verified",
    asked: &[Moment::Start, Moment::Leg, Moment::End],
    advice: &[PAGES, WRITER, WITNESS],
    ..About::BASE
};

const PAGES: Advice = Advice::new(
    "a page is not as it was written",
    "kind=generation: an older page came across, a lost write; kind=address or pattern: a wrong page or a damaged one. The \
     page's address is in the guest's program multivm-witness",
);

const WRITER: Advice = Advice::new(
    "nothing was rewritten",
    "the writer in the guest stands still: did the guest hang, or had it no CPU? Its console is in the evidence",
);

const WITNESS: Advice = Advice::new(
    "our program in the guest does not answer",
    "did it die? The guest's kernel log is in the evidence, its own words are in /run/multivm-*/multivm-witness.log in the guest",
);

/// The check.
pub struct MemoryIntact;

impl Check for MemoryIntact {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::<MemoryAsked>::default())
    }
}

#[derive(Default)]
struct MemoryAsked(Witnessed<MemoryProof>);

impl Asked for MemoryAsked {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        let said = memory(&look.said);
        let proof = match &said {
            Ok(said) => check(said.rewritten, said, false),
            Err(failure) => unknown(&failure.to_string(), look.at),
        };
        self.0.start(look, said);
        if look.has_news() { vec![look.proof(proof)] } else { Vec::new() }
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        let both = self.0.next(look, memory(&look.said), |before, now| now.rewritten > before.rewritten);
        let proof = |Testimonies { before, now, must_grow }: Testimonies<MemoryProof>| match (before, now) {
            (Ok(before), Ok(now)) => check(before.rewritten, &now, must_grow),
            (Err(failure), _) | (_, Err(failure)) => unknown(&failure.to_string(), look.at),
        };
        both.map(|both| look.proof(proof(both))).into_iter().collect()
    }
}

fn memory(said: &Result<Testimony>) -> Result<MemoryProof> {
    said.as_ref().map(|said| said.memory.clone()).map_err(Clone::clone)
}

/// Compares two findings of the witness; `before` is the number of pages it had rewritten at the first. That number need not
/// grow between two looks in quick succession (`must_grow`).
pub fn check(before: u64, found: &MemoryProof, must_grow: bool) -> Proof {
    let since =
        if must_grow { format!(", some of them rewritten since {before} were") } else { String::new() };
    let expected = format!("{} pages as they must be{since}", found.pages);
    if found.bad > 0 {
        let pages = lines(&found.bad_pages);
        let seen = format!("{} bad pages at generation {}:\n{pages}", found.bad, found.generation);
        return Proof::new(&ABOUT, false, expected, seen).advise(&PAGES);
    }
    let seen = format!(
        "{} pages verified, generation {}, {} rewritten",
        found.pages, found.generation, found.rewritten
    );
    let moved = found.rewritten > before || (!must_grow && found.rewritten == before);
    Proof::new(&ABOUT, moved && found.pages > 0, expected, seen).advise(&WRITER)
}

/// The finding about a witness that did not answer a look that began at `asked`.
fn unknown(why: &str, asked: Instant) -> Proof {
    let expected = "the witness in the guest verifies its memory and its records";
    let proof = Proof::new(&ABOUT, false, expected, format!("not known: {why}"));
    proof.advise(&WITNESS).tells(Outage::part(asked))
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
        let page = "page=3 address=0x3000 expected=2 found=1 kind=generation offset=8".parse();
        let found = MemoryProof {
            pages: 8192,
            generation: 2,
            rewritten,
            region: 0,
            bad,
            bad_pages: vec![page.unwrap()],
        };
        let proof = check(4, &found, must_grow);
        assert_eq!(proof.ok, ok);
        assert_eq!(proof.seen.contains("page=3"), bad > 0);
    }
}
