//! Builds multivm's program for guests: static, so that it runs in any x86-64 Linux, and part of our own binary, so
//! that there is nothing to find at run time. cargo cannot link one binary of a package statically and the others
//! not; the program has no dependencies, so one call of the compiler does it.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

const FOLDER: &str = "fixtures/guest/agent";

fn main() -> Result<(), Box<dyn Error>> {
    let source = format!("{FOLDER}/main.rs");
    println!("cargo::rerun-if-changed={FOLDER}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("multivm-guest");
    let status = Command::new(env::var("RUSTC")?)
        .args(["--edition=2024", "--crate-name=multivm_guest", "--target=x86_64-unknown-linux-gnu"])
        .args(["-Copt-level=3", "-Cpanic=abort", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"])
        .arg("-o")
        .arg(&out)
        .arg(&source)
        .status()?;
    if !status.success() {
        return Err(format!("{source} does not compile: {status}").into());
    }
    // Where it lies on other machines: a program of another build that was left there is never taken for this one.
    let mut hasher = DefaultHasher::new();
    fs::read(&out)?.hash(&mut hasher);
    println!("cargo::rustc-env=MULTIVM_AGENT_ID={:016x}", hasher.finish());
    Ok(())
}
