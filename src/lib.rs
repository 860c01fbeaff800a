//! multivm: live-migration stress suite for KVM.

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
pub mod report;
pub mod run;
pub mod scenario;
pub mod wait;
