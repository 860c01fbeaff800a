//! Damage to the memory of a witness.

use super::*;

#[rstest]
#[case(3, "address")]
#[case(8, "generation")]
#[case(100, "pattern")]
#[case(4095, "pattern")]
fn a_flipped_byte_is_told_once(mut witness: Witness, #[case] offset: u64, #[case] kind: &str) {
    let address = witness.address(5);
    flip(&witness.memory(), address + offset);
    let proof = witness.prove();
    let found = if kind == "generation" { 0x10 } else { 0 };
    assert_eq!(
        proof.only("bad-page"),
        format!("bad-page page=5 address={address:#x} expected=0 found={found} kind={kind} offset={offset}")
    );
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (1, 0));
    witness.prove().assert_clean();
}

/// Whoever lost the answer asks again, and must not get a clean one.
#[rstest]
fn a_proof_is_told_once_more_to_who_asks_for_its_number(mut witness: Witness) {
    let address = witness.address(5);
    flip(&witness.memory(), address + 100);
    let proof = witness.proof(1 << 40);
    assert_eq!((proof.memory("bad"), witness.proof(1 << 40).0), (1, proof.0));
    witness.prove().assert_clean();
}

#[rstest]
fn a_flipped_byte_is_seen_while_everything_is_rewritten(mut witness: Witness) {
    let address = witness.address(PAGES - 1);
    witness.begin(20);
    // In the last line, which is rewritten by the 63rd generation only.
    flip(&witness.memory(), address + 4090);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!(
        (number(line, "page"), value(line, "kind"), number(line, "offset")),
        (PAGES - 1, "pattern", 4090)
    );
    witness.prove().assert_clean();
}

#[rstest]
fn a_page_from_elsewhere(mut witness: Witness) {
    let (from, to) = (witness.address(7), witness.address(8));
    put(&witness.memory(), &block(&witness.memory(), from), to);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!((number(line, "page"), value(line, "kind")), (8, "address"));
    witness.prove().assert_clean();
}

#[rstest]
fn a_page_that_missed_a_rewriting(mut witness: Witness) {
    let address = witness.address(9);
    let old = block(&witness.memory(), address);
    witness.work(3);
    put(&witness.memory(), &old, address);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!((number(line, "page"), value(line, "kind"), number(line, "found")), (9, "generation", 0));
    // A pass may have been under way.
    let generation = proof.memory("generation");
    assert!(generation > 1 && [generation - 1, generation].contains(&number(line, "expected")), "{proof:#?}");
    witness.prove().assert_clean();
}

/// The usual order of a lost write: the page goes on to be written after it.
#[rstest]
fn a_page_that_missed_a_rewriting_and_had_others_since(mut witness: Witness) {
    let address = witness.address(9);
    let old = block(&witness.memory(), address);
    witness.work(3);
    let before = generation(&witness, address);
    // Not line 0, which the next rewriting would make good if it did not look.
    put(&witness.memory(), &old[64..], address + 64);
    witness.begin(20);
    eventually(|| (generation(&witness, address) > before).then_some(()));
    witness.begin(0);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!((number(line, "page"), value(line, "kind")), (9, "pattern"));
    assert_eq!(value(line, "expected"), value(line, "found"));
    witness.prove().assert_clean();
}

/// No proof until nothing of it is left.
#[rstest]
#[case::whole(0)]
#[case::all_but_line_0(64)]
fn a_page_that_missed_a_rewriting_and_was_rewritten_whole_since(mut witness: Witness, #[case] from: usize) {
    let address = witness.address(9);
    let old = block(&witness.memory(), address);
    witness.work_unproved(|witness| generation(witness, address) > 2);
    let before = generation(&witness, address);
    put(&witness.memory(), &old[from..], address + from as u64);
    witness.begin(20);
    eventually(|| (generation(&witness, address) > before + 70).then_some(()));
    let proof = witness.prove();
    let line = proof.only("bad-page");
    let said = ["expected", "found"].map(|name| number(line, name));
    assert_eq!((number(line, "page"), proof.memory("bad")), (9, 1));
    if from == 0 {
        assert_eq!((value(line, "kind"), number(line, "offset"), said), ("generation", 8, [before, 0]));
    } else {
        // Line 1 is the first of the wrong ones that is rewritten, by generation 64.
        assert_eq!((value(line, "kind"), number(line, "offset") / 64, said), ("pattern", 1, [63, 63]));
    }
    witness.prove().assert_clean();
}

/// What a page says of itself.
fn generation(witness: &Witness, address: u64) -> u64 {
    u64::from_le_bytes(block(&witness.memory(), address)[8..16].try_into().unwrap())
}

#[rstest]
fn pages_found_before_a_proof_and_by_it_are_told_together(mut witness: Witness) {
    let address = witness.address(0);
    // Line 1 is rewritten by generation 1, line 63 not before generation 63.
    for (pages, line) in [(0..3, 63), (3..6, 1), (6..20, 63)] {
        for page in pages {
            flip(&witness.memory(), address + page * PAGE as u64 + line * 64);
        }
    }
    witness.work_unproved(|witness| generation(witness, address + (PAGES - 1) * PAGE as u64) > 0);
    let proof = witness.prove();
    let pages: Vec<u64> = proof.lines("bad-page").iter().map(|line| number(line, "page")).collect();
    assert_eq!((proof.memory("bad"), pages), (20, vec![3, 4, 5, 0, 1, 2, 6, 7]));
    witness.prove().assert_clean();
}

#[rstest]
fn eight_pages_are_told_and_all_counted(mut witness: Witness) {
    let address = witness.address(0);
    for page in 0..20 {
        flip(&witness.memory(), address + page * PAGE as u64 + 64);
    }
    let proof = witness.prove();
    assert_eq!((proof.memory("bad"), proof.lines("bad-page").len()), (20, 8));
    witness.prove().assert_clean();
}
