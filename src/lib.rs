//! multivm: live-migration stress suite for KVM.

pub mod libvirt;
