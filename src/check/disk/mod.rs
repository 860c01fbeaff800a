//! Disk intact: the guest went on writing and syncing records, and reads each of them back unchanged. It can still write to
//! every file system that it could write to before.

mod about;
mod read_only;

use super::witnessed::{Testimonies, Witnessed};
use super::{About, AfterAll, Asked, Check, End, GuestLook, Proof, Scene, lines, lost};
use crate::failure::Result;
use crate::guest::{DiskProof, LossKind, Testimony};
pub use about::ABOUT;
use about::{HANGS, READ_ONLY, RECORDS, WRITES};

/// The check.
pub struct DiskIntact;

impl Check for DiskIntact {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn after_all(&self, after: &AfterAll<'_>) -> Vec<Proof> {
        lost::after_all(&ABOUT, after, LossKind::ReadOnly, &READ_ONLY)
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let before = lost::before(&ABOUT, scene.fleet, LossKind::ReadOnly, &READ_ONLY);
        Ok(Box::new(DiskAsked { records: Witnessed::default(), before }))
    }
}

struct DiskAsked {
    records: Witnessed<DiskProof>,
    /// Findings about guests that were renewed before the scenario. The end reports them: the guests are whole again, and move.
    before: Vec<Proof>,
}

/// The check of the memory reports a witness that does not answer; this one says nothing then.
impl Asked for DiskAsked {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        let said = disk(&look.said);
        let proof = said.as_ref().ok().map(|said| look.proof(check(said, said, false)));
        self.records.start(look, said);
        proof.filter(|_| look.has_news()).into_iter().chain(read_only::at_first(look)).collect()
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        let records = self.records.next(look, disk(&look.said), |before, now| now.written > before.written);
        let records = match records {
            Some(Testimonies { before: Ok(before), now: Ok(now), must_grow }) => {
                Some(check(&before, &now, must_grow))
            }
            _ => None,
        };
        records.map(|proof| look.proof(proof)).into_iter().chain(read_only::at(look)).collect()
    }

    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        std::mem::take(&mut self.before)
    }
}

fn disk(said: &Result<Testimony>) -> Result<DiskProof> {
    said.as_ref().map(|said| said.disk.clone()).map_err(Clone::clone)
}

/// Compares two findings of the witness. The number of records need not grow between two looks in quick succession
/// (`must_grow`).
pub fn check(before: &DiskProof, found: &DiskProof, must_grow: bool) -> Proof {
    let since = if must_grow { format!(", and new ones after {}", before.written) } else { String::new() };
    let expected = format!("every record read back as it was written{since}");
    let failed = |seen: String| Proof::new(&ABOUT, false, expected.clone(), seen);
    if found.bad > 0 {
        return failed(format!("{} bad records:\n{}", found.bad, lines(&found.bad_records))).advise(&RECORDS);
    }
    // The witness counts errors from its own start on.
    let errors = found.errors.saturating_sub(before.errors);
    if errors > 0 {
        let error = found.error.as_deref().unwrap_or("unknown");
        return failed(format!("{errors} writes failed; the first ever with: {error}")).advise(&WRITES);
    }
    if !found.direct {
        return failed("the file system does not read past the guest's page cache (O_DIRECT)".into());
    }
    let seen = format!(
        "{} records of {} written were read back; the slowest write took {} ms",
        found.slots.min(found.written),
        found.written,
        found.slowest_ms
    );
    let moved = found.written > before.written || (!must_grow && found.written == before.written);
    Proof::new(&ABOUT, moved && found.slots > 0, expected, seen).advise(&HANGS)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(11, 0, 0, true)]
    #[case(10, 0, 0, false)]
    #[case(11, 1, 0, false)]
    #[case(11, 0, 1, false)]
    fn it_must_be_written_and_whole(
        #[case] written: u64,
        #[case] bad: u64,
        #[case] errors: u64,
        #[case] ok: bool,
    ) {
        let look = |written, errors, bad| DiskProof {
            written,
            slots: 1024,
            slowest_ms: 3,
            errors,
            error: None,
            direct: true,
            bad,
            bad_records: vec!["slot=7 offset=28672 expected=7 found=7 kind=torn".parse().unwrap()],
        };
        let proof = check(&look(10, 2, 0), &look(written, 2 + errors, bad), true);
        assert_eq!(proof.ok, ok);
        assert_eq!(proof.seen.contains("kind=torn"), bad > 0);
    }
}
