//! `multivm doctor`: reports on this machine, or on a pair of hosts.

use std::env;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use multivm::doctor::{Diagnosis, Grade, can_raise, examine, files, pair};
use multivm::guest::WantedFleet;

use crate::inventory::Choice;
use crate::problem::{Answer, Problem, settings};
use crate::say;
use crate::scenarios::ProfileChoice;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    profile: ProfileChoice,
    #[command(flatten)]
    inventory: Choice,
}

pub fn run(arguments: &Arguments) -> Answer {
    let (findings, yes, no) = match arguments.inventory.read()? {
        Some((file, wish)) => {
            let chosen = file.pair(wish.as_deref())?;
            let catalogue = arguments.profile.catalogue(file.catalogue(chosen).as_deref())?;
            let profile = arguments.profile.read_with(catalogue.as_ref())?.1;
            let fleet = WantedFleet { profile: &profile, catalogue: catalogue.as_ref() };
            say(&format!(
                "{}: the pair {}, asked now; nothing is changed on its hosts\n\n",
                file.name, chosen.name
            ))?;
            let variable = |name: &str| env::var(name).ok();
            let mut findings = match &catalogue {
                Some(catalogue) => files::examine(catalogue, &settings()?.store.cache),
                None => Vec::new(),
            };
            findings.extend(pair::examine(chosen, &file.known_hosts(), fleet, None, variable).findings);
            (
                findings,
                "Nothing is missing on these hosts, as far as could be seen, beside what multivm may do itself.",
                "Guests cannot migrate between these hosts: see what is MISSING above.",
            )
        }
        None => (
            examine(
                &settings()?.with(arguments.profile.catalogue(None)?).map_err(Problem::input)?,
                Some(&arguments.profile.read()?.1),
            ),
            "A lab can be raised on this machine.",
            "No lab can be raised on this machine: see what is MISSING above.",
        ),
    };
    let colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    let ready = can_raise(&findings);
    say(&format!("{}\n{}\n", table(&findings, colours), if ready { yes } else { no }))?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The findings as text: one line for each, and another one below it for its advice.
fn table(findings: &[Diagnosis], colours: bool) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (word, colour) = match finding.verdict {
            Grade::Good => ("good", 32),
            Grade::Warn => ("warn", 33),
            Grade::Missing => ("MISSING", 31),
        };
        let word = format!("{word:<7}");
        let word = if colours { format!("\x1b[{colour}m{word}\x1b[0m") } else { word };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word}  {:<width$}  {}", finding.name, finding.seen);
        if let Some(advice) = &finding.advice {
            let _ = writeln!(text, "{:7}  {:width$}  -> {advice}", "", "");
        }
    }
    text
}
