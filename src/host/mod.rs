//! The machines a run works on: what is reached by ssh, libvirt hosts, and the storage server. What is behind one -
//! lab, machine, real host - is unknown here.

mod dialogue;
mod events;
mod pair;
mod ssh;
mod storage;

pub use dialogue::Dialogue;
pub use events::{EventHub, Listener};
pub use pair::{Host, Hosts, retry_connect};
pub use ssh::{Login, Output, Remote, quote};
pub use storage::Storage;
