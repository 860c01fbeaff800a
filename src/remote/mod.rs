//! Other machines, reached by ssh: one stack for login, commands, and our own program there.

mod agent;
mod dialogue;
mod observe;
mod ssh;

pub use agent::{Agent, DIRECTORY as AGENT_DIRECTORY, LOAD_LOG};
pub use dialogue::Dialogue;
pub use observe::{KernelLine, Observation, Process, realtime_s};
pub use ssh::{Output, Remote, quote};
