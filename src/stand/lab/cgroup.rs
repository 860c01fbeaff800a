//! The CPU and memory size of a lab host: control groups, version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Attempt, Failure, Result};
use crate::ledger::{Ledger, Thing};
use crate::stand::settings::HostSize;
use crate::sys::machine;

/// The mount point of control groups.
pub const ROOT: &str = "/sys/fs/cgroup";

/// Period of the CPU bandwidth controller, microseconds; the kernel's default.
const PERIOD_US: u64 = 100_000;

/// The `cgroup.procs` files of a host's groups; a process joins the groups by writing its pid into them.
pub struct Groups {
    pub joins: Vec<PathBuf>,
}

/// The version of control groups that has the CPU and memory controllers, if any has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

/// Finds the version with the controllers.
pub fn version() -> Result<CgroupVersion, String> {
    let root = Path::new(ROOT);
    if let Ok(controllers) = fs::read_to_string(root.join("cgroup.controllers")) {
        let has = |name: &str| controllers.split_whitespace().any(|found| found == name);
        if has("cpu") && has("memory") {
            return Ok(CgroupVersion::V2);
        }
    }
    if root.join("cpu/cpu.cfs_quota_us").exists() && root.join("memory/memory.limit_in_bytes").exists() {
        return Ok(CgroupVersion::V1);
    }
    // On version 1 the root group itself has no limit files in some kernels; the mount decides.
    if root.join("cpu/cgroup.procs").exists() && root.join("memory/cgroup.procs").exists() {
        return Ok(CgroupVersion::V1);
    }
    Err(format!("neither version 1 nor 2 of the cpu and memory controllers is mounted under {ROOT}"))
}

/// Makes the groups of one host.
///
/// A host that may use all of the machine's CPUs gets no CPU group. Such a group limits nothing, but makes the kernel share
/// the CPUs between the hosts first and between their threads second: a process that one host has just started then waits
/// for seconds behind the busy vCPUs of the other. A migration of three busy guests on two CPUs took 15 s with such groups
/// and 3 s without (kernel 6.18).
pub fn create(name: &str, size: HostSize, ledger: &Ledger) -> Result<Groups> {
    let quota_us =
        (size.cpu_percent < machine::cpu_percent()).then(|| u64::from(size.cpu_percent) * PERIOD_US / 100);
    match version().map_err(|cause| Failure::new(format!("give {name} a size"), cause))? {
        CgroupVersion::V1 => {
            let mut joins = Vec::new();
            if let Some(quota_us) = quota_us {
                let cpu = group(&Path::new(ROOT).join("cpu"), name, ledger)?;
                write(&cpu.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
                write(&cpu.join("cpu.cfs_quota_us"), &quota_us.to_string())?;
                joins.push(cpu.join("cgroup.procs"));
            }
            let memory = group(&Path::new(ROOT).join("memory"), name, ledger)?;
            write(&memory.join("memory.limit_in_bytes"), &size.memory.to_string())?;
            joins.push(memory.join("cgroup.procs"));
            Ok(Groups { joins })
        }
        CgroupVersion::V2 => {
            let control = Path::new(ROOT).join("cgroup.subtree_control");
            let enabled =
                fs::read_to_string(&control).attempting(|| format!("read {}", control.display()))?;
            let wanted: &[&str] = if quota_us.is_some() { &["cpu", "memory"] } else { &["memory"] };
            for &controller in wanted {
                if !enabled.split_whitespace().any(|found| found == controller) {
                    ledger.enter(Thing::CgroupController {
                        file: control.clone(),
                        controller: controller.into(),
                    })?;
                    write(&control, &format!("+{controller}"))?;
                }
            }
            let both = group(Path::new(ROOT), name, ledger)?;
            if let Some(quota_us) = quota_us {
                write(&both.join("cpu.max"), &format!("{quota_us} {PERIOD_US}"))?;
            }
            write(&both.join("memory.max"), &size.memory.to_string())?;
            Ok(Groups { joins: vec![both.join("cgroup.procs")] })
        }
    }
}

fn group(parent: &Path, name: &str, ledger: &Ledger) -> Result<PathBuf> {
    let path = parent.join(name);
    ledger.enter(Thing::Cgroup { path: path.clone() })?;
    match fs::create_dir(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Failure::new(format!("create control group {}", path.display()), error))
        }
        _ => Ok(path),
    }
}

fn write(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).attempting(|| format!("write {value} to {}", path.display()))
}
