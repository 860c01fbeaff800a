//! QEMU 7.2 of Debian 12 loses guest writes in live migration under TCG (fixed in 9.0 by 03bfc2188f06). libvirt says
//! `running (migrated)`; the proofs must say otherwise. And the same scenarios pass on the default stack.
//!
//! ```sh
//! cargo test --test corruption -- --ignored
//! ```
//!
//! What is lost is what a guest writes between the last copy of a page and the next flush of the emulated TLB: seldom,
//! unless the host is busy, the guest dirties much, and the last passes are short. The variables see to the latter two.

use std::process::ExitCode;

use multivm::check::{kernel_log, memory};
use multivm_fixtures::selftest::{Expected, StackTest, Suites, stack_main};

const SCENARIOS: &[&str] = &[
    "precopy_simultaneous::on_both_and_vms::stress_memory_half",
    "precopy_simultaneous::on_both_and_vms::stress_ng_memory_half",
    "precopy_simultaneous::in_vms::stress_memory",
    "precopy_cross::on_both_and_vms::stress_memory_half",
    "postcopy_simultaneous::on_both_and_vms::stress_memory_half",
];

/// The lab's profile has QEMU stop a guest when 300 ms are left to send, which is after two or three passes.
const VARIABLES: &[(&str, &str)] =
    &[("MULTIVM_DOWNTIME_LIMIT", "20ms"), ("MULTIVM_PRECOPY_REWRITE", "200ms")];

static CORRUPTIONS: [StackTest; 2] = [
    StackTest {
        name: "corruption::of_guests_by_qemu_7_2_under_tcg",
        suites: Some(Suites::all("bookworm")),
        variables: VARIABLES,
        scenarios: SCENARIOS,
        look: None,
        expected: Expected::FoundOut { checks: &[&memory::ABOUT, &kernel_log::ABOUT] },
    },
    StackTest {
        name: "corruption::none_on_the_default_stack",
        suites: None,
        variables: VARIABLES,
        scenarios: SCENARIOS,
        look: None,
        expected: Expected::Passed,
    },
];

fn main() -> ExitCode {
    stack_main(&CORRUPTIONS)
}
