//! Scenarios during some of which a libvirtd, a host, the NFS server, a guest or a witness is killed at random. It takes long, and is
//! listed as ignored.
//!
//! ```sh
//! MULTIVM_SET=smoke MULTIVM_GUESTS=2 cargo test --test kills -- --ignored
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    multivm_fixtures::selftest::kills_main()
}
