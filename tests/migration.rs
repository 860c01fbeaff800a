//! The product: one trial per scenario of `scenarios.toml`, on hosts that all of them share.

use std::process::ExitCode;

fn main() -> ExitCode {
    multivm::harness::main()
}
