//! Disk intact: the guest went on writing and syncing records, and reads each of them back unchanged.

use super::witnessed::{Testimonies, Witnessed};
use super::{About, Advice, Asked, Check, GuestLook, Moment, Proof, Scene, lines};
use crate::failure::Result;
use crate::guest::{DiskProof, Testimony};

pub static ABOUT: About = About {
    id: "disk",
    summary: "disk intact",
    how: "the same program writes records with sequence number and checksum past the page cache and synced, and reads all of \
          them back",
    asked: &[Moment::Start, Moment::Leg, Moment::End],
    advice: &[RECORDS, WRITES, HANGS],
    ..About::BASE
};

const RECORDS: Advice = Advice::new(
    "a record is not as it was written",
    "kind=lost or stale: a synced write is gone; torn: half of one arrived; doubled: it is in a second place. QEMU's logs of \
     both hosts and NFS-Ganesha's of the storage server are in the evidence; a kernel's NFS server has none",
);

const WRITES: Advice = Advice::new(
    "a write failed",
    "the guest's kernel log and QEMU's logs in the evidence say which request failed, and why",
);

const HANGS: Advice =
    Advice::new("nothing was written", "does the guest's disk hang, or does the storage server not answer?");

/// The check.
pub struct DiskIntact;

impl Check for DiskIntact {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::<DiskAsked>::default())
    }
}

#[derive(Default)]
struct DiskAsked(Witnessed<DiskProof>);

/// The check of the memory reports a witness that does not answer; this one says nothing then.
impl Asked for DiskAsked {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        let said = disk(&look.said);
        let proof = said.as_ref().ok().map(|said| look.proof(check(said, said, false)));
        self.0.start(look, said);
        proof.filter(|_| look.has_news()).into_iter().collect()
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        match self.0.next(look, disk(&look.said), |before, now| now.written > before.written) {
            Some(Testimonies { before: Ok(before), now: Ok(now), must_grow }) => {
                vec![look.proof(check(&before, &now, must_grow))]
            }
            _ => Vec::new(),
        }
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
