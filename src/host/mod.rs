//! A machine that is reached by ssh: a host or a guest. What is behind it - lab, machine, real host - is unknown
//! here.

mod ssh;

pub use ssh::{Login, Output, Remote};
