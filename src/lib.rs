//! multivm: live-migration stress suite for KVM.
