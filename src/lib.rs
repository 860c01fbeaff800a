//! multivm: live-migration stress suite for KVM.

pub mod outcome;
pub mod report;
