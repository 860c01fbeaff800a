//! A folder whose file system hangs as one does whose server or disk is gone: a real one, which the kernel freezes. Whoever writes to
//! it then waits in the kernel, where no signal ends it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::Failed;
use tempfile::TempDir;

/// Enough for an ext4 and the results of some scenarios, bytes.
const SIZE: u64 = 64 << 20;

/// The mounted file system. It is thawed and unmounted when this is dropped.
pub struct FrozenDisk {
    folder: TempDir,
}

impl FrozenDisk {
    /// Mounts it. It answers until it is frozen.
    pub fn new() -> Result<FrozenDisk, Failed> {
        let folder = tempfile::tempdir()?;
        let image = folder.path().join("image");
        File::create(&image)?.set_len(SIZE)?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&image))?;
        let disk = FrozenDisk { folder };
        fs::create_dir(disk.path())?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(disk.path()))?;
        Ok(disk)
    }

    /// The folder where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    pub fn freeze(&self) -> Result<(), Failed> {
        run(Command::new("fsfreeze").arg("-f").arg(self.path()))
    }

    pub fn thaw(&self) -> Result<(), Failed> {
        run(Command::new("fsfreeze").arg("-u").arg(self.path()))
    }
}

impl Drop for FrozenDisk {
    fn drop(&mut self) {
        // One that is not frozen, or not mounted, refuses.
        let _ = self.thaw();
        // Whoever waited for it may still have it open for a moment: it goes with the last of them.
        let _ = run(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}

fn run(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}: {said}", output.status).into())
    }
}
