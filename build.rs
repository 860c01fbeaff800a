//! Builds the agent, multivm's program on hosts and in guests: static, so that it runs in any Linux of the architecture, and
//! part of our own binary, so that there is nothing to find at run time. cargo cannot link one binary of a workspace
//! statically and the others not; the agent needs nothing but the protocol, so two calls of the compiler do it.
//!
//! Guests may be of other architectures. The agent is built for each of them whose standard library Rust has here.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[expect(dead_code, reason = "most of a row is for images and domains")]
#[path = "src/inventory/arch/table.rs"]
mod table;

use table::{ArchRow, ROWS};

const PROTOCOL: &str = "fixtures/protocol/src";
const AGENT: &str = "fixtures/agent/src";

/// Where distributions have linkers of other architectures.
const LINKERS: &str = "/usr/bin";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A target of the compiler, and its linker if it is another one than the compiler's own choice.
struct Target {
    name: String,
    linker: Option<String>,
}

fn main() -> Result<()> {
    for source in [PROTOCOL, AGENT, "src/inventory/arch/table.rs", "build.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let native = Target { name: env::var("TARGET")?, linker: env::var("RUSTC_LINKER").ok() };
    let agent = build(&native, &out)?;
    let mut hasher = DefaultHasher::new();
    fs::read(&agent)?.hash(&mut hasher);
    let mut programs = String::new();
    for row in ROWS {
        let built = if machine(&native.name) == machine(row.rust_target) {
            Ok(agent.clone())
        } else {
            foreign(row, &out)?
        };
        let program = match built {
            Ok(path) => {
                fs::read(&path)?.hash(&mut hasher);
                format!("Ok(include_bytes!({path:?}))")
            }
            Err(lacks) => format!("Err({lacks:?})"),
        };
        programs += &format!("({:?}, {program}),\n", row.name);
    }
    fs::write(out.join("programs.rs"), format!("[\n{programs}]\n"))?;
    // Where it lies on other machines: a program of another build that was left there is never taken for this one.
    println!("cargo::rustc-env=MULTIVM_AGENT_ID={:016x}", hasher.finish());
    Ok(())
}

/// The machine in a target's name.
fn machine(target: &str) -> &str {
    target.split('-').next().unwrap_or(target)
}

/// Builds the agent for another architecture, or says what is needed for that.
fn foreign(row: &ArchRow, out: &Path) -> Result<std::result::Result<PathBuf, String>> {
    let mut needed = format!("rustup target add {}", row.rust_target);
    if let Some(package) = row.linker_package {
        needed += &format!(" && apt-get install {package}");
    }
    needed += ", and build multivm again";
    let libraries = sysroot()?.join("lib/rustlib");
    println!("cargo::rerun-if-changed={}", libraries.display());
    if !libraries.join(row.rust_target).join("lib").is_dir() {
        return Ok(Err(needed));
    }
    if row.linker_package.is_some() {
        println!("cargo::rerun-if-changed={LINKERS}");
        if !Path::new(LINKERS).join(row.linker).exists() {
            return Ok(Err(needed));
        }
    }
    let folder = out.join(row.name);
    fs::create_dir_all(&folder)?;
    build(&Target { name: row.rust_target.into(), linker: Some(row.linker.into()) }, &folder).map(Ok)
}

/// The folder of the compiler's own libraries.
fn sysroot() -> Result<PathBuf> {
    let said =
        Command::new(env::var("RUSTC")?).args(["--print", "sysroot"]).stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8(said.stdout)?.trim().into())
}

/// Builds the agent into a folder.
fn build(target: &Target, folder: &Path) -> Result<PathBuf> {
    let (protocol, agent) = (folder.join("libmultivm_protocol.rlib"), folder.join("multivm-agent"));
    compile(
        &format!("{PROTOCOL}/lib.rs"),
        &protocol,
        target,
        &["--crate-name=multivm_protocol", "--crate-type=lib"],
    )?;
    let with = format!("--extern=multivm_protocol={}", protocol.display());
    let linked = ["--crate-name=multivm_agent", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"];
    compile(&format!("{AGENT}/main.rs"), &agent, target, &[&linked[..], &[&with]].concat())?;
    Ok(agent)
}

fn compile(source: &str, output: &Path, target: &Target, options: &[&str]) -> Result<()> {
    let mut compiler = Command::new(env::var("RUSTC")?);
    compiler
        .args(["--edition=2024", "-Copt-level=3", "-Cpanic=abort", "--target", &target.name])
        .args(options)
        .arg("-o")
        .arg(output)
        .arg(source);
    if let Some(linker) = &target.linker {
        compiler.arg(format!("-Clinker={linker}"));
    }
    let status = compiler.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{source} does not compile for {}: {status}", target.name).into())
    }
}
