//! A guest that is suspended so that its pre-copy migration can complete, and one that somebody else suspends.

use rstest::rstest;
use virt_sys::VIR_ERR_OPERATION_INVALID;

use super::*;

fn to_be_suspended() -> Play {
    Play::of(Mode::Precopy, AtTimeout::Suspend)
}

fn refused() -> CallAnswer {
    CallAnswer::Suspend(Err(error(VIR_ERR_OPERATION_INVALID, "not now")))
}

fn abort() -> CallAnswer {
    CallAnswer::AbortJob(Ok(AbortAnswer::Aborted))
}

#[rstest]
#[case(AtTimeout::Suspend)]
#[case(AtTimeout::SuspendAllowed)]
fn a_guest_is_suspended_at_its_timeout_and_completes(#[case] at_timeout: AtTimeout) {
    let told = Play::of(Mode::Precopy, at_timeout)
        .answers(20, CallAnswer::Suspend(Ok(())))
        .event(TIMEOUT + 3_000, SOURCE, completed(9))
        .returns(TIMEOUT + 3_010, Ok(()))
        .play();
    assert_eq!(told.calls, [(TIMEOUT, Call::Suspend)], "neither aborted nor resumed");
    assert_eq!(told.report.suspended, Some(Duration::from_millis(TIMEOUT + 20)));
    assert_eq!(told.report.error, None);
}

#[test]
fn a_post_copy_migration_is_aborted_instead() {
    let told = Play::of(Mode::Postcopy, AtTimeout::Suspend)
        .answers(5, abort())
        .returns(TIMEOUT + 20, aborted())
        .play();
    assert_eq!(told.calls, [(TIMEOUT, Call::AbortJob)]);
}

#[test]
fn a_suspended_guest_gets_as_much_time_again_and_is_resumed_when_that_was_too_little() {
    let told = to_be_suspended()
        .answers(20, CallAnswer::Suspend(Ok(())))
        .answers(5, abort())
        .answers(7, CallAnswer::Resume(Ok(())))
        .returns(2 * TIMEOUT + 100, aborted())
        .play();
    assert_eq!(
        told.calls,
        [(TIMEOUT, Call::Suspend), (2 * TIMEOUT + 20, Call::AbortJob), (2 * TIMEOUT + 100, Call::Resume)]
    );
    assert_eq!(told.ended, 2 * TIMEOUT + 107);
    assert!(told.error().ends_with("after 120 s; aborted"), "{}", told.error());
}

#[test]
fn a_suspension_that_is_refused_is_tried_again() {
    let told = to_be_suspended()
        .answers(10, refused())
        .answers(10, refused())
        .answers(10, CallAnswer::Suspend(Ok(())))
        .event(TIMEOUT + 900, SOURCE, completed(9))
        .returns(TIMEOUT + 910, Ok(()))
        .play();
    let times: Vec<u64> = told.calls.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [TIMEOUT, TIMEOUT + 20, TIMEOUT + 40]);
    assert_eq!(told.report.error, None);
}

#[test]
fn a_suspension_that_is_always_refused_ends_in_an_abort() {
    let told =
        to_be_suspended().answers(990, refused()).answers(5, abort()).returns(200_000, aborted()).play();
    let (at, last) = told.calls.last().unwrap();
    assert_eq!(*last, Call::AbortJob);
    assert!((2 * TIMEOUT..2 * TIMEOUT + 1_000).contains(at), "tried for as long again: {at}");
    assert_eq!(told.report.suspended, None);
}

#[test]
fn a_suspension_that_is_never_answered_ends_in_an_abort() {
    let told = to_be_suspended()
        .never_answers(CallAnswer::Suspend(Ok(())))
        .answers(5, abort())
        .returns(TIMEOUT + 10_100, aborted())
        .play();
    assert_eq!(told.calls, [(TIMEOUT, Call::Suspend), (TIMEOUT + 10_000, Call::AbortJob)]);
}

#[test]
fn a_guest_that_cannot_be_resumed_is_spoken_of() {
    let told = to_be_suspended()
        .answers(20, CallAnswer::Suspend(Ok(())))
        .answers(5, CallAnswer::Resume(Err(error(1, "no"))))
        .returns(TIMEOUT + 100, Err(error(1, "the destination died")))
        .play();
    assert!(told.error().starts_with("call: the destination died"), "{}", told.error());
    assert!(
        told.error().contains("; it is suspended and could not be resumed: call: no"),
        "{}",
        told.error()
    );
}

#[test]
fn a_resumption_that_is_never_answered_ends_the_watch_all_the_same() {
    let told = to_be_suspended()
        .answers(20, CallAnswer::Suspend(Ok(())))
        .never_answers(CallAnswer::Resume(Ok(())))
        .returns(TIMEOUT + 100, Err(error(1, "no")))
        .play();
    assert_eq!(told.ended, TIMEOUT + 100 + 10_000);
    assert!(
        told.error().ends_with("libvirt did not answer the order to resume the guest"),
        "{}",
        told.error()
    );
}

#[test]
fn a_guest_that_somebody_else_suspended_is_reported_and_not_resumed() {
    let told = Play::pre_copy()
        .event(500, SOURCE, suspended(Detail::Paused))
        .returns(900, Err(error(1, "no")))
        .play();
    assert_eq!(told.report.suspended, Some(Duration::from_millis(500)));
    assert_eq!(told.calls, []);
}

#[test]
fn a_stop_for_the_last_pass_is_no_suspension() {
    let told = Play::pre_copy()
        .event(500, SOURCE, suspended(Detail::Migrated))
        .event(510, SOURCE, pass(4))
        .event(600, SOURCE, completed(4))
        .returns(610, Ok(()))
        .play();
    assert_eq!(told.report.suspended, None);
}

#[test]
fn passes_after_the_stop_show_that_the_guest_was_suspended_early() {
    let told = Play::pre_copy()
        .event(500, SOURCE, suspended(Detail::Migrated))
        .event(510, SOURCE, pass(4))
        .event(700, SOURCE, pass(5))
        .event(900, SOURCE, completed(5))
        .returns(910, Ok(()))
        .play();
    assert_eq!(told.report.suspended, Some(Duration::from_millis(500)));
}

#[test]
fn a_post_copy_migration_stops_its_guest_by_design() {
    let told = Play::post_copy()
        .event(500, SOURCE, suspended(Detail::Migrated))
        .event(510, SOURCE, suspended(Detail::PostCopy))
        .event(520, SOURCE, pass(3))
        .event(530, SOURCE, pass(4))
        .event(900, SOURCE, completed(4))
        .returns(910, Ok(()))
        .play();
    assert_eq!(told.report.suspended, None);
}

#[test]
fn the_destinations_guest_is_another_matter() {
    let told = Play::pre_copy()
        .event(500, TARGET, suspended(Detail::Paused))
        .event(900, SOURCE, completed(4))
        .returns(910, Ok(()))
        .play();
    assert_eq!(told.report.suspended, None);
}

#[test]
fn a_suspended_guest_gets_at_least_what_sending_all_of_it_takes() {
    let least = u64::try_from(Limits::default().suspended.as_millis()).unwrap();
    let mut play = to_be_suspended().answers(20, CallAnswer::Suspend(Ok(()))).answers(5, abort());
    play.plan.timeout = Duration::from_millis(1_000);
    let told = play.answers(7, CallAnswer::Resume(Ok(()))).returns(2 * least, aborted()).play();
    assert_eq!(told.calls[..2], [(1_000, Call::Suspend), (1_020 + least, Call::AbortJob)]);
}

#[test]
fn a_suspended_guest_is_resumed_although_its_migration_never_returns() {
    let told = to_be_suspended()
        .answers(20, CallAnswer::Suspend(Ok(())))
        .answers(5, abort())
        .answers(7, CallAnswer::Resume(Ok(())))
        .play();
    let (at, last) = told.calls.last().unwrap();
    assert_eq!(*last, Call::Resume);
    assert_eq!(told.ended, at + 7);
    assert!(told.error().contains("did not end within 30 s"), "{}", told.error());
}
