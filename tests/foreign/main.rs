//! What multivm did not make, in the real lab: refused before anything moves when it is in the way, and untouched then as
//! ever.

mod cases;
mod plant;

use std::process::ExitCode;

use multivm_fixtures::selftest::cases_main;

use cases::CASES;

fn main() -> ExitCode {
    // What is refused is refused for the sake of one.
    cases_main(&CASES, |profile| (profile.guests, profile.load_guests) = (2, 1))
}
