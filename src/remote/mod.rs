//! Other machines over ssh: one stack for login, commands, and our own program there.

mod agent;
mod authenticate;
mod deadline;
mod dial;
mod dialogue;
mod error;
mod facts;
mod host_key;
mod known_hosts;
mod log_position;
mod login;
mod observe;
mod password;
mod privilege;
mod program;
mod push;
mod quote;
mod run;
mod trust;

pub use agent::{Agent, ConnectionLoss, LOAD_LOG, agent_directories, pids_of_loads};
pub use dialogue::Dialogue;
pub use facts::{Facts, FactsAbout, KVM_RAN, Route};
pub use host_key::Identity;
pub use log_position::{load_log_positions, save_log_positions};
pub use multivm_protocol as protocol;
pub use observe::{DeviceMount, KernelLine, Observation, ObservedProcess};
pub use privilege::CALLER;
pub use push::REMOVE_PROGRAMS;
pub use quote::quote;
pub use run::{Output, Remote};
pub use trust::{Trusted, trust};
