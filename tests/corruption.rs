//! QEMU 7.2 of Debian 12 loses guest writes in live migration under TCG (fixed in 9.0 by 03bfc2188f06). libvirt says
//! `running (migrated)`; the proofs must say otherwise. Busy hosts bring it out.
//!
//! ```sh
//! cargo test --test corruption -- --ignored
//! ```

use std::process::ExitCode;

use multivm::harness::{Corruption, corruption_main};

fn main() -> ExitCode {
    corruption_main(
        multivm_fixtures::build,
        Corruption {
            name: "corruption::of_guests_by_qemu_7_2_under_tcg",
            suite: "bookworm",
            scenarios: &[
                "precopy_simultaneous::on_both_and_vms::stress_memory_half",
                "precopy_simultaneous::in_vms::stress_memory",
                "precopy_simultaneous::on_both_and_vms::stress_ng_memory_half",
                "precopy_cross::on_both_and_vms::stress_memory_half",
                "postcopy_simultaneous::on_both_and_vms::stress_memory_half",
            ],
            checks: &["memory", "kernel_log"],
        },
    )
}
