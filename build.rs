//! Builds the agent, multivm's program on hosts and in guests: static, so that it runs in any Linux of the architecture, and
//! part of our own binary, so that there is nothing to find at run time. cargo cannot link one binary of a workspace
//! statically and the others not; the agent needs nothing but the protocol, so two calls of the compiler do it.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROTOCOL: &str = "fixtures/protocol/src";
const AGENT: &str = "fixtures/agent/src";

fn main() -> Result<(), Box<dyn Error>> {
    for source in [PROTOCOL, AGENT, "build.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let (protocol, agent) = (out.join("libmultivm_protocol.rlib"), out.join("multivm-agent"));
    compile(
        &format!("{PROTOCOL}/lib.rs"),
        &protocol,
        &["--crate-name=multivm_protocol", "--crate-type=lib"],
    )?;
    let with = format!("--extern=multivm_protocol={}", protocol.display());
    let linked = ["--crate-name=multivm_agent", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"];
    compile(&format!("{AGENT}/main.rs"), &agent, &[&linked[..], &[&with]].concat())?;
    // Where it lies on other machines: a program of another build that was left there is never taken for this one.
    let mut hasher = DefaultHasher::new();
    fs::read(&agent)?.hash(&mut hasher);
    println!("cargo::rustc-env=MULTIVM_AGENT_ID={:016x}", hasher.finish());
    Ok(())
}

fn compile(source: &str, output: &Path, options: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut compiler = Command::new(env::var("RUSTC")?);
    compiler
        .args(["--edition=2024", "-Copt-level=3", "-Cpanic=abort", "--target", &env::var("TARGET")?])
        .args(options)
        .arg("-o")
        .arg(output)
        .arg(source);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compiler.arg(format!("-Clinker={linker}"));
    }
    let status = compiler.status()?;
    if status.success() { Ok(()) } else { Err(format!("{source} does not compile: {status}").into()) }
}
