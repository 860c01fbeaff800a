//! multivm: live-migration stress suite for KVM.

pub mod doctor;
pub mod failure;
pub mod harness;
pub mod host;
pub mod inventory;
pub mod lab;
pub mod ledger;
pub mod libvirt;
pub mod outcome;
pub mod report;
pub mod scenario;
pub mod wait;
