//! The strongest test of the proofs: a stack that is known to corrupt guests must be found out, although libvirt calls
//! every migration a success. And the reverse: another stack passes the same.

use std::process::{Command, ExitCode};
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

/// A stack, scenarios, and what must become of them there.
#[derive(Clone, Copy)]
pub struct Corruption {
    /// Name of the test.
    pub name: &'static str,
    /// Debian suite of both hosts and the guests; none is what the environment says.
    pub suite: Option<&'static str>,
    /// Variables that are set for it, unless they are set already.
    pub variables: &'static [(&'static str, &'static str)],
    pub scenarios: &'static [&'static str],
    pub expected: Expected,
}

/// What must become of the scenarios.
#[derive(Clone, Copy)]
pub enum Expected {
    /// Played one after the other until one is found out: corruption is a race, and a single scenario may win it. One of
    /// these checks must fail for a guest, and libvirt must have reported success.
    FoundOut { checks: &'static [&'static str] },
    /// All pass.
    Passed,
}

/// `main` of the test target of corruptions. They are ignored unless asked for (`--ignored`): they need images of their own
/// and take minutes.
pub fn corruption_main(build: Build, corruptions: &'static [Corruption]) -> ExitCode {
    if let Some(code) = hidden_entry() {
        return code;
    }
    let request = match args::parse(std::env::args()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    let arguments = &request.options.libtest;
    let selected: Vec<Corruption> =
        corruptions.iter().filter(|corruption| request.selection.matches(corruption.name)).copied().collect();
    let wanted = arguments.ignored || arguments.include_ignored;
    match selected[..] {
        [corruption] if wanted && !arguments.list => exit_code(Plan::read(&request).and_then(|mut plan| {
            corruption.prepare(&mut plan)?;
            Ok(on_stage(&request, plan, build, None, move |stage| {
                let stage = Arc::clone(stage);
                let trial = Trial::ignorable_test(corruption.name, move || corruption.test(&stage));
                vec![trial.with_ignored_flag(true)]
            }))
        })),
        // Each has a lab of its own, and so a process.
        [_, _, ..] if wanted && !arguments.list => each_alone(&selected),
        _ => {
            let trial =
                |corruption: &Corruption| Trial::test(corruption.name, || Ok(())).with_ignored_flag(true);
            libtest_mimic::run(&one_at_a_time(arguments), selected.iter().map(trial).collect()).exit_code()
        }
    }
}

fn each_alone(corruptions: &[Corruption]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for corruption in corruptions {
        let alone = std::env::current_exe().and_then(|program| {
            Command::new(program).args(["--ignored", "--exact", corruption.name]).status()
        });
        match alone {
            Ok(status) if status.success() => {}
            Ok(_) => code = ExitCode::FAILURE,
            Err(error) => {
                eprintln!("multivm: cannot start {}: {error}", corruption.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

impl Corruption {
    fn prepare(self, plan: &mut Plan) -> Result<(), String> {
        if let Some(suite) = self.suite {
            let settings = &mut plan.settings;
            for one in [&mut settings.source_suite, &mut settings.target_suite, &mut settings.guest_suite] {
                *one = suite.to_owned();
            }
        }
        let own = |name: &str| self.variables.iter().find(|(own, _)| *own == name);
        let variable = |name: &str| match std::env::var_os(name) {
            // The plan has it.
            Some(_) => None,
            None => own(name).map(|(_, value)| (*value).to_owned()),
        };
        plan.profile = plan.profile.clone().override_from(variable).map_err(|error| error.to_string())?;
        Ok(())
    }

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
            let outcome = stage.outcome_on(&fleet, &scenario, SystemTime::now(), 0);
            drop(observation);
            let told = format!("{name}: {}\n{}", outcome.verdict, outcome.failure_text());
            match self.expected {
                Expected::FoundOut { checks } => {
                    if is_found_out(&outcome, checks) && !refused.load(Ordering::SeqCst) {
                        eprintln!("\n{told}");
                        return Ok(Completion::Completed);
                    }
                    seen.push(told);
                }
                Expected::Passed if outcome.verdict == Verdict::Passed => {}
                Expected::Passed => return Err(format!("expected: it passes\nseen: {told}").into()),
            }
        }
        match self.expected {
            Expected::Passed => Ok(Completion::Completed),
            Expected::FoundOut { checks } => Err(format!(
                "expected: a scenario fails by {}, and libvirt reports success for all of its migrations\nseen: {}",
                checks.join(" or "),
                seen.join("\n\n")
            )
            .into()),
        }
    }
}

fn is_found_out(outcome: &Outcome, checks: &[&str]) -> bool {
    outcome.verdict == Verdict::Failed
        && outcome.findings.iter().any(|finding| {
            // Of a guest, and seen: a witness that does not answer is not a page that is wrong.
            finding.guest.is_some()
                && checks.contains(&&*finding.check)
                && !finding.seen.starts_with("not known")
        })
}
