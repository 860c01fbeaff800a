//! Runs scenarios: arguments, trials, the shared fixture, interruption.

mod session;

pub use session::Session;
