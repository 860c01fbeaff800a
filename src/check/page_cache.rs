//! Page cache intact: files of the guest's own are in its memory as they were, beside the pattern.

use super::{About, Advice, Asked, Check, GuestLook, Moment, Proof, Scene, lines};
use crate::failure::Result;
use crate::guest::FilesProof;

pub static ABOUT: About = About {
    id: "page_cache",
    summary: "page cache intact",
    how: "the same program holds checksums of the guest's own programs and libraries, at most 8 MiB: of those that run, and of 2 MiB of \
          others. It compares them with the guest's page cache block by block; what differs is looked up past the page cache. With the \
          pattern that is all of a guest's memory that is proved: the record says how much of how much",
    asked: &[Moment::Start, Moment::Leg, Moment::End],
    advice: &[FILES],
    ..About::BASE
};

const FILES: Advice = Advice::new(
    "a file is not as it was",
    "kind=cache: a page of the guest's page cache was damaged, the disk has it right; changed: the disk has it, too: did anybody write \
     to the file, or were the program's own checksums damaged? both: neither is right",
);

/// The check.
pub struct PageCacheIntact;

impl Check for PageCacheIntact {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(PageCacheAsked))
    }
}

struct PageCacheAsked;

/// The check of the memory reports a witness that does not answer; this one says nothing then.
impl Asked for PageCacheAsked {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        if look.has_news() { self.on_look(look) } else { Vec::new() }
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        // A guest without those folders holds none.
        let said = look.said.as_ref().ok().filter(|said| said.files.files > 0);
        said.map(|said| look.proof(check(&said.files, said.memory.pages))).into_iter().collect()
    }
}

/// Judges what the witness found; it verified so many pages of the pattern as well.
fn check(found: &FilesProof, pattern_pages: u64) -> Proof {
    let expected = "every byte of them as it was";
    if found.bad > 0 {
        let seen = format!("{} of {} files differ:\n{}", found.bad, found.files, lines(&found.bad_files));
        return Proof::new(&ABOUT, false, expected, seen).advise(&FILES);
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    // What the page cache holds of the files.
    let proved = pattern_pages * 4096 + found.bytes;
    let seen = format!(
        "{:.1} MiB of {} files; {:.0} of {:.0} MiB of memory are proved",
        mib(found.bytes),
        found.files,
        mib(proved),
        mib(found.memory_kib * 1024)
    );
    Proof::new(&ABOUT, true, expected, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> FilesProof {
        FilesProof { files: 41, bytes: 8 << 20, memory_kib: 238 << 10, bad: 0, bad_files: Vec::new() }
    }

    #[test]
    fn whole_files_say_how_much_of_the_memory_is_proved() {
        let proof = check(&found(), 8192);
        assert!(proof.ok);
        assert_eq!(proof.seen, "8.0 MiB of 41 files; 40 of 238 MiB of memory are proved");
    }

    #[test]
    fn a_file_that_differs_is_a_finding_with_its_place() {
        let bad = "kind=cache offset=4097 path=/usr/bin/busybox".parse().unwrap();
        let proof = check(&FilesProof { bad: 1, bad_files: vec![bad], ..found() }, 8192);
        assert!(proof.is_damage());
        assert!(proof.seen.contains("1 of 41 files differ") && proof.seen.contains("path=/usr/bin/busybox"));
    }
}
