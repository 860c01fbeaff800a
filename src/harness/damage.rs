//! Tests of the proofs themselves: real damage during a real scenario, which must fail in the right check, of the
//! right guest, with the right words.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::SystemTime;

use libtest_mimic::{Completion, Failed, Trial};

use super::args;
use super::entry::{Build, exit_code, one_at_a_time};
use super::hidden_entry;
use super::plan::Plan;
use super::stage::{Stage, on_stage};
use crate::failure::Done;
use crate::guest::Fleet;
use crate::outcome::{Outcome, Verdict};
use crate::report::Event;
use crate::scenario::{Profile, Scenario};

/// One damage and the verdict that it must lead to.
#[derive(Clone, Copy)]
pub struct Damage {
    /// Name of the test.
    pub name: &'static str,
    /// The scenario during which it is caused.
    pub scenario: &'static str,
    /// What is different from the run's profile.
    pub profile: fn(&mut Profile),
    /// It is caused when the record gets the first event for which this holds.
    pub when: fn(&Event) -> bool,
    /// The scenario waits until it has been caused.
    pub at_once: bool,
    pub cause: fn(&Fleet) -> Done<()>,
    /// The check that must find it, the guest (none for a finding about a host), and a part of what it must say.
    pub check: &'static str,
    pub guest: Option<&'static str>,
    pub words: &'static str,
}

/// `main` of the test target of damages; the same arguments and exit codes as that of the scenarios.
pub fn damage_main(build: Build, damages: &[Damage]) -> ExitCode {
    if let Some(code) = hidden_entry() {
        return code;
    }
    let request = match args::parse(std::env::args()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    let selected: Vec<Damage> =
        damages.iter().filter(|damage| request.selection.matches(damage.name)).copied().collect();
    if request.options.libtest.list || request.options.libtest.ignored || selected.is_empty() {
        let listed = if request.options.libtest.ignored { Vec::new() } else { selected };
        let trials = listed.iter().map(|damage| Trial::test(damage.name, || Ok(()))).collect();
        return libtest_mimic::run(&one_at_a_time(&request.options.libtest), trials).exit_code();
    }
    exit_code(Plan::read(&request).map(|plan| {
        on_stage(&request, plan, build, None, move |stage| {
            selected
                .into_iter()
                .map(|damage| {
                    let stage = Arc::clone(stage);
                    Trial::ignorable_test(damage.name, move || damage.test(&stage))
                })
                .collect()
        })
    }))
}

impl Damage {
    fn test(self, stage: &Arc<Stage>) -> Result<Completion, Failed> {
        if stage.is_cancelled() {
            return Ok(Completion::ignored_with("the run was interrupted"));
        }
        let scenario: Scenario = self.scenario.parse().map_err(|error| Failed::from(format!("{error}")))?;
        let mut profile = stage.profile.clone();
        (self.profile)(&mut profile);
        let (fleet, _) = stage.fleet(&profile).map_err(Failed::from)?;
        let (signal, due) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let done = Mutex::new(done);
        let sent = AtomicBool::new(false);
        let when = self.when;
        let observation = stage.record().observe(move |event| {
            if when(event) && !sent.swap(true, Ordering::SeqCst) {
                let _ = signal.send(());
                if self.at_once {
                    // Ends with the culprit, too, whatever becomes of it.
                    let _ = done.lock().unwrap_or_else(PoisonError::into_inner).recv();
                }
            }
        });
        let damaged = Arc::clone(&fleet);
        let culprit = thread::Builder::new()
            .name(format!("damage {}", self.name))
            .spawn(move || {
                let caused = due.recv().ok().map(|()| (self.cause)(&damaged));
                let _ = tell.send(());
                caused
            })
            .map_err(|error| Failed::from(format!("start the thread that causes the damage: {error}")))?;
        let outcome = stage.outcome_on(&fleet, &scenario, SystemTime::now(), 0);
        drop(observation);
        match culprit.join() {
            Ok(Some(Ok(()))) => self.verdict(&outcome),
            Ok(Some(Err(failure))) => Err(format!("the damage could not be caused: {failure}").into()),
            Ok(None) => Err("the moment to cause the damage never came".into()),
            Err(_) => Err("the thread that causes the damage panicked".into()),
        }
    }

    fn verdict(&self, outcome: &Outcome) -> Result<Completion, Failed> {
        let found = outcome.findings.iter().any(|finding| {
            finding.check == self.check
                && finding.guest.as_deref() == self.guest
                && finding.seen.contains(self.words)
        });
        if outcome.verdict == Verdict::Failed && found {
            return Ok(Completion::Completed);
        }
        Err(format!(
            "expected: verdict failed, by {} of {} with the words {:?}\nseen: verdict {}\n{}",
            self.check,
            self.guest.unwrap_or("a host"),
            self.words,
            outcome.verdict,
            outcome.failure_text()
        )
        .into())
    }
}
