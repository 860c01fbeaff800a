//! multivm: live-migration stress suite for KVM.
//!
//! A [`scenario`] is pure data, and so is the [`plan`] of its moves. The [`harness`] makes a trial of each, a [`run`] takes
//! this machine for them, on its [`stage`] they find a fleet of [`guest`]s between two [`host`]s, and [`play`] plays each:
//! [`migration`] moves the guests, [`load`] keeps them busy, [`check`] proves them, the [`record`] keeps what was seen, a
//! [`report`] is a view of it, and [`progress`] shows it while it happens. A [`stand`] turns settings into an [`inventory`];
//! whatever it creates is in the [`ledger`] first. [`libvirt`] is the only room with `unsafe`.

// A line that is not said by `sys::terminal` would stand in the status that is drawn there, and panic when nobody reads it.
#![warn(clippy::print_stderr)]

pub mod axis;
pub mod check;
pub mod doctor;
pub mod explain;
pub mod failure;
pub mod guest;
pub mod harness;
pub mod host;
pub mod image;
pub mod inventory;
pub mod ledger;
pub mod libvirt;
pub mod load;
pub mod migration;
pub mod plan;
pub mod play;
pub mod probe;
pub mod progress;
pub mod record;
pub mod remote;
pub mod report;
pub mod run;
pub mod scenario;
pub mod stage;
pub mod stand;
pub mod sys;
