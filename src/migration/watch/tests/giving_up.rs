//! A migration that takes too long or whose run is interrupted, and every race of its abort.

use rstest::rstest;
use virt_sys::VIR_ERR_OPERATION_INVALID;

use super::*;
use crate::migration::options::FullSpeed;

fn stats() -> CallAnswer {
    let stats = JobStats {
        memory_remaining_bytes: Some(12 << 20),
        memory_iteration: Some(7),
        memory_dirty_rate_pages_per_s: Some(400),
        ..JobStats::default()
    };
    CallAnswer::JobStats(Ok(Some(Box::new(stats))))
}

fn abort(answer: Result<AbortAnswer>) -> CallAnswer {
    CallAnswer::AbortJob(answer)
}

#[test]
fn the_error_says_how_far_it_was_and_what_came_of_the_abort() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .answers(5, stats())
        .answers(10, abort(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 100, aborted())
        .play();
    assert_eq!(told.calls, [(TIMEOUT + 5, Call::AbortJob)]);
    assert_eq!(
        told.error(),
        "timeout: not complete after 60 s, 12 MiB of memory remaining, pass 7, dirty rate 400 pages/s; aborted"
    );
    assert_eq!(told.report.duration, Duration::from_millis(TIMEOUT + 100));
    assert_eq!(told.kind(), Some(FailureKind::TimedOut));
    assert!(!told.report.completed && !told.report.refused);
}

#[test]
fn one_that_is_still_held_back_says_why() {
    let refused = Err(error(VIR_ERR_OPERATION_INVALID, "no speed"));
    let mut play = Play::pre_copy()
        .event(100, SOURCE, pass(2))
        .answers(5, CallAnswer::SetMaxSpeed(None, refused))
        .answers(10, abort(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 100, aborted());
    play.plan.options.after_first_pass = Some(FullSpeed { mib: None });
    let told = play.play();
    let words = ["after 60 s, at the bandwidth of its first pass: ", "no speed", "; aborted"];
    assert!(words.iter().all(|words| told.error().contains(words)), "{}", told.error());
}

#[test]
fn a_migration_that_completes_in_time_is_not_aborted() {
    let told = Play::pre_copy().event(59_990, SOURCE, completed(3)).returns(59_999, Ok(())).play();
    assert_eq!((told.calls.len(), told.report.error), (0, None));
}

#[test]
fn a_migration_that_completes_while_its_progress_is_asked_for_has_completed() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .answers(400, stats())
        .event(TIMEOUT + 100, SOURCE, completed(3))
        .returns(TIMEOUT + 110, Ok(()))
        .play();
    assert_eq!((told.calls.len(), told.report.error, told.report.completed), (0, None, true));
}

#[test]
fn a_job_that_is_gone_at_the_abort_may_have_completed() {
    let told =
        Play::pre_copy().answers(50, abort(Ok(AbortAnswer::NoJob))).returns(TIMEOUT + 60, Ok(())).play();
    assert!(
        told.error().ends_with("after 60 s; there was no job to abort; it completed all the same"),
        "{}",
        told.error()
    );
    assert!(told.report.completed, "the guest is on the destination");
}

#[test]
fn an_abort_that_fails_says_so() {
    let refused = Err(error(VIR_ERR_OPERATION_INVALID, "cannot abort migration in post-copy mode"));
    let told = Play::post_copy().answers(5, abort(refused)).returns(TIMEOUT + 4_000, Ok(())).play();
    assert!(told.error().contains("it could not be aborted: call: cannot abort"), "{}", told.error());
    assert!(told.error().ends_with("it completed all the same"), "{}", told.error());
    assert_eq!(told.ended, TIMEOUT + 4_000, "it is waited for");
}

#[test]
fn the_cause_stands_before_what_libvirt_makes_of_it() {
    let told = Play::pre_copy()
        .answers(5, abort(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 20, Err(error(virt_sys::VIR_ERR_NO_SUPPORT, "no")))
        .play();
    assert!(told.error().starts_with("timeout: "), "{}", told.error());
    assert!(!told.report.refused, "what was given up was not refused");
}

#[test]
fn the_call_may_return_before_the_abort_is_answered() {
    let told = Play::pre_copy()
        .answers(500, abort(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 100, aborted())
        .play();
    assert!(told.error().ends_with("after 60 s; aborted"), "{}", told.error());
    assert_eq!(told.ended, TIMEOUT + 500);
}

#[test]
fn an_abort_that_is_never_answered_is_not_awaited_without_end() {
    let told = Play::pre_copy()
        .never_answers(abort(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 100, aborted())
        .play();
    assert!(told.error().starts_with("timeout: "), "{}", told.error());
    assert_eq!(told.ended, TIMEOUT + 100 + 10_000);
}

#[test]
fn a_migration_that_does_not_end_is_left_alone_after_the_grace() {
    let told = Play::pre_copy().answers(5, abort(Ok(AbortAnswer::Aborted))).play();
    assert!(
        told.error().ends_with("after 60 s; aborted; it did not end within 30 s after that either"),
        "{}",
        told.error()
    );
    assert_eq!((told.ended, told.report.ended), (TIMEOUT + 30_000, None));
    assert_eq!(told.report.duration, Duration::from_millis(TIMEOUT + 30_000));
}

#[test]
fn when_nothing_answers_the_watch_ends_all_the_same() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .never_answers(stats())
        .never_answers(abort(Ok(AbortAnswer::Aborted)))
        .play();
    assert_eq!(told.looks, [250], "a question that blocks is not asked twice");
    assert_eq!(told.calls, [(TIMEOUT + 10_000, Call::AbortJob)]);
    assert_eq!(
        told.error(),
        "timeout: not complete after 70 s, and libvirt did not answer what its job does within 10s; libvirt did not \
         answer the order to abort it; it did not end within 30 s after that either"
    );
}

#[test]
fn statistics_that_fail_are_not_the_migrations_failure() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .answers(1, CallAnswer::JobStats(Err(error(1, "no"))))
        .event(900, SOURCE, completed(3))
        .returns(1_000, Ok(()))
        .play();
    assert_eq!((told.report.error, told.samples), (None, 0));
    assert_eq!(told.looks, [250, 500, 750], "it is asked again as if it had answered");
}

#[test]
fn an_interrupted_run_aborts_at_once() {
    let told = Play::pre_copy()
        .answers(5, abort(Ok(AbortAnswer::Aborted)))
        .interrupted(700)
        .returns(800, aborted())
        .play();
    assert_eq!(told.calls, [(700, Call::AbortJob)]);
    assert_eq!(told.error(), "the run was interrupted; aborted");
    assert_eq!(told.kind(), Some(FailureKind::Cancelled));
}

#[test]
fn an_interruption_does_not_wait_for_the_statistics_of_a_timeout() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .never_answers(stats())
        .answers(5, abort(Ok(AbortAnswer::Aborted)))
        .interrupted(TIMEOUT + 100)
        .returns(TIMEOUT + 200, aborted())
        .play();
    assert_eq!(told.calls, [(TIMEOUT + 100, Call::AbortJob)], "and only once");
}

#[rstest]
#[case::unanswered(false, 30_700)]
#[case::answered(true, 30_700)]
fn an_interrupted_migration_that_does_not_end_is_left_alone(#[case] answered: bool, #[case] ended: u64) {
    let play = Play::pre_copy().interrupted(700);
    let answer = abort(Ok(AbortAnswer::Aborted));
    let told = if answered { play.answers(5, answer) } else { play.never_answers(answer) }.play();
    assert_eq!(told.ended, ended);
    assert!(told.error().starts_with("the run was interrupted; "), "{}", told.error());
    assert_eq!(told.error().contains("did not answer the order to abort"), !answered, "{}", told.error());
}

#[test]
fn an_order_to_switch_that_fails_after_the_end_of_time_does_not_hide_the_cause() {
    let told = Play::post_copy()
        .event(59_000, SOURCE, pass(2))
        .answers(2_000, CallAnswer::StartPostCopy(Err(error(1, "too late"))))
        .answers(3_000, abort(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 5_000, aborted())
        .play();
    assert!(told.error().starts_with("timeout: "), "{}", told.error());
    assert!(!told.error().contains("too late"), "{}", told.error());
}
