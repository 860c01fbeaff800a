//! multivm: live-migration stress suite for KVM.
//!
//! A [`scenario`] is pure data. The [`harness`] makes a trial of each, [`run`] plays it on a fleet of [`guest`]s between
//! two [`host`]s, [`migration`] moves them, [`load`] keeps them busy, [`check`] proves them, [`report`] keeps what was
//! seen, and [`outcome`] is what it came to. The [`lab`] turns this machine into an [`inventory`]; whatever it creates is
//! in the [`ledger`] first. [`libvirt`] is the only room with `unsafe`.

pub mod check;
pub mod doctor;
pub mod failure;
pub mod guest;
pub mod harness;
pub mod host;
pub mod inventory;
pub mod lab;
pub mod ledger;
pub mod libvirt;
pub mod load;
pub mod migration;
pub mod outcome;
pub mod parallel;
pub mod probe;
pub mod report;
pub mod run;
pub mod scenario;
pub mod wait;
pub mod watch;
