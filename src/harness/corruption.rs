//! The strongest test of the proofs: a stack that is known to corrupt guests must be found out, although libvirt calls
//! every migration a success.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use libtest_mimic::{Completion, Failed, Trial};

use super::args;
use super::entry::{Build, exit_code, one_at_a_time};
use super::hidden_entry;
use super::plan::Plan;
use super::stage::{Stage, on_stage};
use crate::inventory::AcceleratorKind;
use crate::outcome::{Outcome, Verdict};
use crate::report::Event;
use crate::scenario::Scenario;

/// A stack, scenarios that it cannot pass, and the checks that must say so.
#[derive(Clone, Copy)]
pub struct Corruption {
    /// Name of the test.
    pub name: &'static str,
    /// Debian suite of both hosts.
    pub suite: &'static str,
    /// Played one after the other until one is found out. Corruption is a race: a single scenario may win it.
    pub scenarios: &'static [&'static str],
    /// Checks that look at the guest itself; one of them must fail, and libvirt must have reported success.
    pub checks: &'static [&'static str],
}

/// `main` of the test target of a corruption. It is ignored unless asked for (`--ignored`): it needs images of its own and
/// takes minutes.
pub fn corruption_main(build: Build, corruption: Corruption) -> ExitCode {
    if let Some(code) = hidden_entry() {
        return code;
    }
    let request = match args::parse(std::env::args()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    let arguments = &request.options.libtest;
    let selected = request.selection.matches(corruption.name);
    let wanted = arguments.ignored || arguments.include_ignored;
    if arguments.list || !wanted || !selected {
        let trial = Trial::test(corruption.name, || Ok(())).with_ignored_flag(true);
        let trials = if selected { vec![trial] } else { Vec::new() };
        return libtest_mimic::run(&one_at_a_time(arguments), trials).exit_code();
    }
    exit_code(Plan::read(&request).map(|mut plan| {
        for suite in
            [&mut plan.settings.source_suite, &mut plan.settings.target_suite, &mut plan.settings.guest_suite]
        {
            *suite = corruption.suite.to_owned();
        }
        on_stage(&request, plan, build, None, move |stage| {
            let stage = Arc::clone(stage);
            let trial = Trial::ignorable_test(corruption.name, move || corruption.test(&stage));
            vec![trial.with_ignored_flag(true)]
        })
    }))
}

impl Corruption {
    fn test(self, stage: &Arc<Stage>) -> Result<Completion, Failed> {
        let mut seen = Vec::new();
        for name in self.scenarios {
            if stage.is_cancelled() {
                return Ok(Completion::ignored_with("the run was interrupted"));
            }
            let scenario: Scenario = name.parse().map_err(|error| Failed::from(format!("{error}")))?;
            let (fleet, _) = stage.fleet(&stage.profile).map_err(Failed::from)?;
            if fleet.hosts.accelerator.kind != AcceleratorKind::Tcg {
                return Ok(Completion::ignored_with("the defect is TCG's, and this machine has KVM"));
            }
            let refused = Arc::new(AtomicBool::new(false));
            let noted = Arc::clone(&refused);
            let observation = stage.record().observe(move |event| {
                if matches!(event, Event::LegFinished { ok: false, .. }) {
                    noted.store(true, Ordering::SeqCst);
                }
            });
            let outcome = stage.outcome_on(&fleet, &scenario, SystemTime::now());
            drop(observation);
            if self.is_found_out(&outcome) && !refused.load(Ordering::SeqCst) {
                eprintln!("\n{}", outcome.failure_text());
                return Ok(Completion::Completed);
            }
            seen.push(format!("{name}: {}\n{}", outcome.verdict, outcome.failure_text()));
        }
        Err(format!(
            "expected: a scenario fails by {}, and libvirt reports success for all of its migrations\nseen: {}",
            self.checks.join(" or "),
            seen.join("\n\n")
        )
        .into())
    }

    fn is_found_out(&self, outcome: &Outcome) -> bool {
        outcome.verdict == Verdict::Failed
            && outcome.findings.iter().any(|finding| {
                // Of a guest, and seen: a witness that does not answer is not a page that is wrong.
                finding.guest.is_some()
                    && self.checks.contains(&&*finding.check)
                    && !finding.seen.starts_with("not known")
            })
    }
}
