//! The end of a migration: libvirt's call, its last events, and what the report holds.

use rstest::rstest;
use virt_sys::{
    VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_ERR_CONFIG_UNSUPPORTED, VIR_ERR_INTERNAL_ERROR, VIR_ERR_NO_SUPPORT,
};

use super::*;

#[test]
fn a_migration_lasts_from_the_call_to_its_return() {
    let told = Play::pre_copy().event(1_480, SOURCE, completed(3)).returns(1_500, Ok(())).play();
    let report = told.report;
    assert_eq!(report.duration, Duration::from_millis(1_500));
    assert_eq!(report.ended.unwrap() - report.began.unwrap(), report.duration);
    assert_eq!(report.stats.unwrap().memory_iteration, Some(3));
    assert!(report.completed && report.error.is_none());
    assert_eq!(told.ended, 1_500, "nothing is waited for");
}

#[test]
fn the_statistics_of_the_completed_job_may_come_after_the_return() {
    let told = Play::pre_copy().returns(1_500, Ok(())).event(4_000, SOURCE, completed(3)).play();
    assert_eq!((told.ended, told.report.duration), (4_000, Duration::from_millis(1_500)));
    assert!(told.report.stats.is_some());
}

#[test]
fn the_statistics_of_the_completed_job_may_never_come() {
    let told = Play::pre_copy().returns(1_500, Ok(())).play();
    assert_eq!(told.ended, 11_500);
    assert!(told.report.completed && told.report.error.is_none() && told.report.stats.is_none());
}

#[test]
fn the_destinations_statistics_are_not_the_sources() {
    let told = Play::pre_copy()
        .event(1_400, TARGET, completed(1))
        .returns(1_500, Ok(()))
        .event(1_600, SOURCE, completed(3))
        .play();
    assert_eq!(told.report.stats.unwrap().memory_iteration, Some(3));
}

#[test]
fn a_failed_call_has_no_statistics_to_wait_for() {
    let told = Play::pre_copy().returns(700, Err(error(VIR_ERR_INTERNAL_ERROR, "no route"))).play();
    assert_eq!(told.ended, 700);
    assert_eq!(told.error(), "call: no route (VIR_ERR_INTERNAL_ERROR, 1)");
    assert!(!told.report.completed && !told.report.refused);
}

#[rstest]
#[case(VIR_ERR_NO_SUPPORT)]
#[case(VIR_ERR_CONFIG_UNSUPPORTED)]
#[case(VIR_ERR_ARGUMENT_UNSUPPORTED)]
fn what_the_stack_cannot_do_is_refused(#[case] code: u32) {
    let told = Play::pre_copy().returns(10, Err(error(code, "no such capability"))).play();
    assert!(told.report.refused);
    assert_eq!(told.kind(), Some(FailureKind::Refused));
}

#[test]
fn every_event_of_both_hosts_is_kept_in_the_order_of_its_arrival() {
    let told = Play::pre_copy()
        .event(100, SOURCE, pass(1))
        .event(900, TARGET, resumed(Detail::Migrated))
        .event(901, SOURCE, suspended(Detail::Migrated))
        .event(950, SOURCE, completed(1))
        .returns(960, Ok(()))
        .play();
    let seen: Vec<(&str, String)> =
        told.report.events.iter().map(|seen| (&*seen.host, seen.kind.to_string())).collect();
    assert_eq!(
        seen,
        [
            (SOURCE, "iteration 1".to_owned()),
            (TARGET, "resumed (migrated)".to_owned()),
            (SOURCE, "suspended (migrated)".to_owned()),
            (SOURCE, "job completed".to_owned()),
        ]
    );
}

#[test]
fn statistics_are_looked_at_four_times_a_second_and_at_every_pass() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .answers(1, CallAnswer::JobStats(Ok(Some(Box::default()))))
        .event(100, SOURCE, pass(1))
        .event(400, SOURCE, pass(2))
        .event(700, SOURCE, completed(2))
        .returns(710, Ok(()))
        .play();
    assert_eq!(told.looks, [100, 350, 400, 650]);
    assert_eq!(told.samples, 4);
}

#[test]
fn a_look_that_is_slow_is_not_overtaken_by_another() {
    let told = Play::pre_copy()
        .without(Call::JobStats)
        .answers(1_000, CallAnswer::JobStats(Ok(Some(Box::default()))))
        .event(2_400, SOURCE, completed(2))
        .returns(2_410, Ok(()))
        .play();
    assert_eq!(told.looks, [250, 1_250, 2_250]);
    assert_eq!(told.samples, 2, "the third is answered after the end");
}

#[test]
fn a_switch_without_statistics_leaves_the_report_to_the_call() {
    let told = Play::pre_copy()
        .event(100, SOURCE, suspended(Detail::Migrated))
        .returns(200, Err(error(VIR_ERR_INTERNAL_ERROR, "lost")))
        .event(300, SOURCE, completed(2))
        .play();
    assert_eq!(told.report.stats, None, "an event after the end is another migration's");
}
