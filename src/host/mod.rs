//! The machines a run works on: what is reached by ssh, libvirt hosts, and the storage server. What is behind one -
//! lab, machine, real host - is unknown here.

mod agent;
mod dialogue;
mod events;
mod observe;
mod pair;
mod ssh;
mod storage;

pub use agent::{Agent, DIRECTORY as AGENT_DIRECTORY, LOAD_LOG};
pub use dialogue::Dialogue;
pub use events::{EventHub, Listener};
pub use observe::{KernelLine, Observation, Process, realtime_s};
pub use pair::{Host, Hosts, retry_connect};
pub use ssh::{Login, Output, Remote, quote};
pub use storage::{ImageCheck, Storage};
