//! The HTML report as a user has it: made by `multivm report` of a record, opened in a headless Chromium, and clicked on.
//! No lab is raised. Without a Chromium in the PATH what needs it is ignored, and says so.

mod browser;
mod command;
mod page;
mod story;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let browser = browser::find();
    let in_browser = page::CASES.iter().map(|(name, case)| {
        let browser = browser.clone();
        Trial::ignorable_test(*name, move || match browser {
            Some(browser) => told(|| case(&browser)).map(|()| Completion::Completed),
            None => Ok(Completion::ignored_with(
                "no Chromium in PATH: ./setup --tests installs it, or apt-get install chromium",
            )),
        })
    });
    let by_command = command::CASES.iter().map(|(name, case)| Trial::test(*name, move || told(*case)));
    let trials = by_command.chain(in_browser).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A panic is libtest-mimic's to report; this only gives the cases their plain form.
fn told(case: impl FnOnce()) -> Result<(), Failed> {
    case();
    Ok(())
}
