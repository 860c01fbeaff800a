//! The switch to post-copy: when it is ordered, how often, and what counts as done.

use rstest::rstest;
use virt_sys::{VIR_ERR_INTERNAL_ERROR, VIR_ERR_OPERATION_TIMEOUT};

use super::*;
use crate::migration::options::FullSpeed;

fn switch(after: u64, answer: Result<Switch>) -> impl Fn(Play) -> Play {
    move |play| play.answers(after, CallAnswer::StartPostCopy(answer.clone()))
}

/// A post-copy migration whose second pass begins after 100 ms.
fn begun() -> Play {
    Play::post_copy().event(50, SOURCE, pass(1)).event(100, SOURCE, pass(2))
}

fn ends(play: Play) -> Told {
    play.event(2_000, SOURCE, completed(2)).returns(2_010, Ok(())).play()
}

#[test]
fn it_is_ordered_at_the_beginning_of_the_second_pass() {
    let told = ends(switch(5, Ok(Switch::Started))(begun()).event(180, SOURCE, suspended(Detail::PostCopy)));
    assert_eq!(told.calls, [(100, Call::StartPostCopy)]);
    assert_eq!(told.report.switchover, Some(Duration::from_millis(180)));
    assert_eq!(told.report.error, None);
}

#[test]
fn it_is_ordered_amid_the_first_pass_where_the_move_says_so() {
    let mut play = begun();
    play.plan.switch_in_pass = 1;
    let told = ends(switch(5, Ok(Switch::Started))(play).event(90, SOURCE, suspended(Detail::PostCopy)));
    assert_eq!(told.calls, [(50, Call::StartPostCopy)]);
    assert_eq!(told.report.switchover, Some(Duration::from_millis(90)));
}

#[rstest]
#[case::while_the_pass_goes_on(None, 350)]
#[case::when_the_pass_is_over(Some(200), 200)]
fn it_is_ordered_later_in_the_first_pass_where_the_move_says_so(#[case] over: Option<u64>, #[case] at: u64) {
    let mut play = Play::post_copy().event(50, SOURCE, pass(1));
    if let Some(over) = over {
        play = play.event(over, SOURCE, pass(2));
    }
    play.plan.switch_in_pass = 1;
    play.plan.switch_after = Duration::from_millis(300);
    let told = ends(switch(5, Ok(Switch::Started))(play).event(390, SOURCE, suspended(Detail::PostCopy)));
    assert_eq!(told.calls, [(at, Call::StartPostCopy)]);
}

#[test]
fn a_pre_copy_migration_is_never_switched() {
    let told = ends(Play::pre_copy().event(100, SOURCE, pass(2)).event(200, SOURCE, pass(3)));
    assert_eq!(told.calls, []);
}

#[test]
fn a_first_pass_that_is_held_back_is_let_go_when_it_is_over() {
    let mut play = Play::pre_copy().answers(5, CallAnswer::SetMaxSpeed(Some(64), Ok(())));
    play.plan.options.after_first_pass = Some(FullSpeed { mib: Some(64) });
    let passes = [(50, 1), (900, 2), (1_200, 3)];
    let told = ends(passes.into_iter().fold(play, |play, (at, number)| play.event(at, SOURCE, pass(number))));
    assert_eq!(told.calls, [(900, Call::SetMaxSpeed(Some(64)))]);
}

#[test]
fn passes_of_the_other_host_do_not_count() {
    let told = ends(Play::post_copy().event(100, TARGET, pass(2)));
    assert_eq!(told.calls, []);
}

#[test]
fn a_second_pass_that_was_not_seen_is_no_reason_to_wait() {
    let told = ends(switch(1, Ok(Switch::Started))(Play::post_copy().event(300, SOURCE, pass(3))));
    assert_eq!(told.calls, [(300, Call::StartPostCopy)]);
}

#[test]
fn an_order_that_came_too_early_is_repeated_until_it_is_taken() {
    let early = |play| switch(5, Ok(Switch::NotYet))(play);
    let told = ends(switch(5, Ok(Switch::Started))(early(early(begun()))));
    let times: Vec<u64> = told.calls.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [100, 115, 130]);
    assert!(told.calls.iter().all(|(_, call)| *call == Call::StartPostCopy));
}

#[test]
fn a_job_lock_that_was_held_is_no_error() {
    let held = Err(error(VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock"));
    let told = ends(switch(5, Ok(Switch::Started))(switch(30, held)(begun())));
    assert_eq!(told.calls, [(100, Call::StartPostCopy), (140, Call::StartPostCopy)]);
    assert_eq!(told.report.error, None);
}

#[test]
fn an_order_that_comes_too_early_for_ever_ends_at_the_timeout() {
    let told = switch(1_000, Ok(Switch::NotYet))(begun())
        .answers(1, CallAnswer::AbortJob(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 50, aborted())
        .play();
    assert_eq!(told.calls.last(), Some(&(TIMEOUT, Call::AbortJob)));
    assert!(told.error().starts_with("timeout: not complete after 60 s"), "{}", told.error());
}

#[test]
fn a_guest_that_is_across_before_the_order_is_no_error_and_no_switch() {
    let told = ends(switch(5, Ok(Switch::Over))(begun()).event(101, SOURCE, suspended(Detail::Migrated)));
    assert_eq!(told.calls, [(100, Call::StartPostCopy)]);
    assert_eq!((told.report.switchover, &told.report.error, told.report.completed), (None, &None, true));
}

#[test]
fn an_order_that_fails_is_an_error_though_the_migration_completes() {
    let told = ends(switch(5, Err(error(VIR_ERR_INTERNAL_ERROR, "QEMU said no")))(begun()));
    assert_eq!(told.calls.len(), 1, "it is not repeated");
    assert!(told.error().starts_with("switch to post-copy: call: QEMU said no"), "{}", told.error());
    assert!(told.report.completed && !told.report.refused);
}

#[test]
fn the_event_may_overtake_the_answer() {
    let late = Err(error(VIR_ERR_INTERNAL_ERROR, "post-copy is active"));
    let told = ends(switch(200, late)(begun()).event(150, SOURCE, suspended(Detail::PostCopy)));
    assert_eq!(told.report.switchover, Some(Duration::from_millis(150)));
    assert_eq!(told.report.error, None);
    assert_eq!(told.calls.len(), 1);
}

#[test]
fn an_event_that_comes_late_is_awaited_without_another_order() {
    let play = switch(5, Ok(Switch::Started))(begun()).event(400, SOURCE, pass(3));
    let told = ends(play.event(900, SOURCE, suspended(Detail::PostCopy)));
    assert_eq!(told.calls, [(100, Call::StartPostCopy)]);
    assert_eq!(told.report.switchover, Some(Duration::from_millis(900)));
}

#[test]
fn the_destination_does_not_say_that_the_source_switched() {
    let play = switch(5, Ok(Switch::Started))(begun());
    let told = ends(play.event(150, TARGET, suspended(Detail::PostCopy)));
    assert_eq!(told.report.switchover, None);
}

#[test]
fn an_order_that_is_never_answered_does_not_keep_the_watch() {
    let told = begun()
        .never_answers(CallAnswer::StartPostCopy(Ok(Switch::Started)))
        .answers(3, CallAnswer::AbortJob(Ok(AbortAnswer::Aborted)))
        .returns(TIMEOUT + 20, aborted())
        .play();
    assert_eq!(told.calls, [(100, Call::StartPostCopy), (TIMEOUT, Call::AbortJob)]);
    assert_eq!(told.ended, TIMEOUT + 20);
}

#[test]
fn statistics_are_not_asked_for_until_the_guest_has_switched() {
    let play = switch(5, Ok(Switch::Started))(begun()).event(600, SOURCE, suspended(Detail::PostCopy));
    let told = ends(play);
    assert_eq!(told.looks.first(), Some(&600), "{:?}", told.looks);
    assert_eq!(told.looks.get(1), Some(&850), "{:?}", told.looks);
}
