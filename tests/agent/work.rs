//! The witness at work, and at rest.

use super::*;

#[rstest]
fn it_starts_idle_and_clean(mut witness: Witness) {
    let proof = witness.prove();
    proof.assert_clean();
    assert_eq!((proof.memory("pages"), proof.memory("generation")), (PAGES, 0));
    assert_eq!((proof.disk("slots"), proof.disk("written"), proof.disk("errors")), (SLOTS, 0, 0));
}

#[rstest]
fn it_is_clean_while_everything_is_rewritten(mut witness: Witness) {
    witness.begin(20);
    let (mut generation, mut written) = (0, 0);
    // Beyond 63 every line of a page was rewritten.
    eventually(|| {
        let proof = witness.prove();
        proof.assert_clean();
        assert!(proof.memory("generation") >= generation && proof.disk("written") >= written);
        (generation, written) = (proof.memory("generation"), proof.disk("written"));
        (generation > 70 && written > 20).then_some(())
    });
}

#[rstest]
fn a_pause_stops_it(mut witness: Witness) {
    witness.work(3);
    let before = witness.prove();
    let pages = |witness: &mut Witness| {
        let begin = witness.address(0);
        (0..PAGES).map(|page| block(&witness.memory(), begin + page * PAGE as u64)).collect::<Vec<_>>()
    };
    let memory = pages(&mut witness);
    let file = fs::read(witness.path()).unwrap();
    // Longer than a pass and the time between two records: what does not stop is seen.
    let begin = Instant::now();
    eventually(|| (begin.elapsed() > Duration::from_millis(200)).then_some(()));
    let after = witness.prove();
    assert_eq!(before.memory("generation"), after.memory("generation"));
    assert_eq!(before.disk("written"), after.disk("written"));
    assert!(pages(&mut witness) == memory && fs::read(witness.path()).unwrap() == file);
    witness.work(after.disk("written") + 1);
    witness.prove().assert_clean();
}

#[rstest]
fn pages_have_addresses(mut witness: Witness) {
    let proof = witness.prove();
    let region = hexadecimal(value(proof.lines("memory")[0], "region"));
    assert_eq!(region % PAGE as u64, 0);
    assert_eq!(witness.address(5), region + 5 * PAGE as u64);
    assert_eq!(witness.ask(&format!("address {PAGES}")), [format!("unknown question: address {PAGES}")]);
}

#[rstest]
fn a_second_witness_leaves_the_first_alone(mut witness: Witness) {
    witness.work(2);
    let path = witness.path();
    let output = run(&["witness", "1", path.to_str().unwrap()], &witness.socket);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("another witness"), "{error}");
    witness.prove().assert_clean();
}

#[rstest]
fn it_ends_when_told_to(mut witness: Witness) {
    assert_eq!(witness.ask("quit"), ["ok"]);
    assert!(witness.process.0.wait().unwrap().success());
    assert!(witness.ask("prove 0")[0].starts_with("no witness: "));
}

#[rstest]
fn a_file_that_cannot_be_made() {
    let output = run(&["witness", "1", "/proc/none/file"], &socket());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("multivm-agent: cannot create /proc/none: "), "{error}");
}
