//! Damage to the file of a witness.

use super::*;

/// Damage to slot 2, after its first record was written. Given the file and what was in the slot before.
type Damage = fn(&File, &[u8]);

#[rstest]
#[case::flipped("torn", 2, |file: &File, _: &[u8]| flip(file, 2 * SLOT + 2000))]
#[case::half("torn", 2, |file: &File, old: &[u8]| put(file, &old[..2048], 2 * SLOT + 2048))]
#[case::zeroed("lost", 0, |file: &File, _: &[u8]| put(file, &[0; PAGE], 2 * SLOT))]
#[case::of_another_run("lost", 0, |file: &File, _: &[u8]| flip(file, 2 * SLOT + 20))]
#[case::restored("stale", 0, |file: &File, old: &[u8]| put(file, old, 2 * SLOT))]
#[case::from_another_slot("doubled", 1, |file: &File, _: &[u8]| put(file, &block(file, SLOT), 2 * SLOT))]
fn a_damaged_record_is_told_once(
    mut witness: Witness,
    #[case] kind: &str,
    #[case] found: u64,
    #[case] damage: Damage,
) {
    let old = block(&witness.file(), 2 * SLOT);
    witness.work(2);
    damage(&witness.file(), &old);
    let proof = witness.prove();
    assert_eq!(
        proof.only("bad-record"),
        format!("bad-record slot=2 offset=8192 expected=2 found={found} kind={kind}")
    );
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 1));
    witness.prove().assert_clean();
}

/// No proof until it is overwritten.
#[rstest]
#[case::flipped("torn", |file: &File, _: &[u8]| flip(file, 2 * SLOT + 2000))]
#[case::zeroed("lost", |file: &File, _: &[u8]| put(file, &[0; PAGE], 2 * SLOT))]
#[case::from_another_slot("doubled", |file: &File, _: &[u8]| put(file, &block(file, SLOT), 2 * SLOT))]
fn a_damaged_record_that_was_overwritten_is_told_once(
    mut witness: Witness,
    #[case] kind: &str,
    #[case] damage: Damage,
) {
    damage(&witness.file(), &[]);
    witness.work_unproved(|witness| is_written(witness, 2));
    let proof = witness.prove();
    assert_eq!(
        proof.only("bad-record"),
        format!("bad-record slot=2 offset=8192 expected=0 found=0 kind={kind}")
    );
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 1));
    witness.prove().assert_clean();
}

/// Whether the slot has its first record after those the file was filled with.
fn is_written(witness: &Witness, slot: u64) -> bool {
    let block = block(&witness.file(), slot * SLOT);
    let word = |index: usize| u64::from_le_bytes(block[index * 8..][..8].try_into().unwrap());
    (word(4), word(5)) == (slot, slot)
}

#[rstest]
fn records_found_before_a_proof_and_by_it_are_told_together(mut witness: Witness) {
    put(&witness.file(), &[0; 18 * PAGE], 3 * SLOT);
    put(&witness.file(), &[0; 2 * PAGE], 0);
    witness.work_unproved(|witness| is_written(witness, 4));
    let proof = witness.prove();
    let slots: Vec<u64> = proof.lines("bad-record").iter().map(|line| number(line, "slot")).collect();
    // Those that were overwritten first; slot 0 is not before record 512.
    let (before, by): (Vec<u64>, Vec<u64>) =
        [0, 1].into_iter().chain(3..21).partition(|slot| (1..=proof.disk("written")).contains(slot));
    assert_eq!(slots, [before, by].concat()[..8], "{proof:#?}");
    assert_eq!(proof.disk("bad"), 20);
    witness.prove().assert_clean();
}

#[rstest]
fn a_record_that_cannot_be_read(mut witness: Witness) {
    witness.file().set_len((SLOTS - 1) * SLOT).unwrap();
    let proof = witness.prove();
    let line = proof.only("bad-record");
    assert_eq!((number(line, "slot"), value(line, "kind")), (SLOTS - 1, "unreadable"));
    witness.prove().assert_clean();
}

#[rstest]
fn eight_records_are_told_and_all_counted(mut witness: Witness) {
    put(&witness.file(), &[0; 20 * PAGE], 200 * SLOT);
    let proof = witness.prove();
    assert_eq!((proof.disk("bad"), proof.lines("bad-record").len()), (20, 8));
    witness.prove().assert_clean();
}

#[rstest]
fn records_can_be_found_in_a_raw_image(witness: Witness) {
    let bytes = fs::read(witness.path()).unwrap();
    assert_eq!(bytes.len() as u64, SLOTS * SLOT);
    assert!(bytes.chunks(PAGE).all(|block| block.starts_with(b"multivm-record\n\0")));
}

/// Failing writes, by a limit on the size of files: from there on, no write succeeds.
#[rstest]
fn a_failed_write_is_told_and_tried_again() {
    // Ignored, or the signal that comes with the error ends the witness.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", PROGRAM]);
    let mut witness = Witness::spawn(shell);
    let limit = |witness: &Witness, limit: &str| {
        let pid = witness.process.0.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
        assert!(status.unwrap().success());
    };
    witness.begin(20);
    limit(&witness, "0");
    let proof = eventually(|| Some(witness.prove()).filter(|proof| proof.disk("errors") > 1));
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 0), "{proof:#?}");
    let error = proof.only("disk-error");
    let next = proof.disk("written") + 1;
    assert!(error.starts_with(&format!("disk-error cannot write record {next} of ")), "{error}");
    // Anything may be there after a failed write: it is not wrong.
    put(&witness.file(), &[0; PAGE], next % SLOTS * SLOT);
    limit(&witness, "unlimited");
    eventually(|| {
        let proof = witness.prove();
        assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 0), "{proof:#?}");
        (proof.disk("written") > next).then_some(())
    });
}
