//! Small tools that know nothing of migration: waiting, threads, signals, commands, disks, names of machines, words, empty variables,
//! inherited descriptors, what a terminal shows.

pub mod bounded;
pub mod contained;
pub mod disk;
pub mod halt;
pub mod handover;
pub mod inherited;
pub mod interrupt;
pub mod limited;
pub mod lock;
pub mod machine;
#[cfg(test)]
pub(crate) mod page;
pub mod parallel;
pub mod process;
pub mod random;
pub mod resolve;
pub mod stop;
pub mod terminal;
pub mod unset;
pub mod wait;
pub mod watch;
pub mod words;
