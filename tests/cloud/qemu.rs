//! A QEMU by hand, in the tree of a lab host's image, with a network that ends in it: only this machine's loopback leads to the
//! guest.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use multivm::sys::contained;

/// How a guest starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    Bios,
    Uefi,
}

/// Runs a program in the tree, which nobody else sees changed: `own` is its /mnt/own, `images` its /mnt/images.
const SCRIPT: &str = r#"
    set -e
    root=$1
    mount --rbind /dev "$root/dev"
    mount -t tmpfs guest "$root/mnt"
    mkdir "$root/mnt/images" "$root/mnt/own"
    mount --bind "$2" "$root/mnt/images"
    mount -o remount,bind,ro "$root/mnt/images"
    mount --bind "$3" "$root/mnt/own"
    shift 3
    cd /
    exec chroot "$root" "$@"
"#;

/// A program in the tree.
pub fn inside(tree: &Path, images: &Path, own: &Path, program: &[&str]) -> Command {
    let mut command = contained::command("sh");
    command.args(["-c", SCRIPT, "sh"]).args([tree, images, own]).args(program);
    command
}

/// A QEMU that runs. It ends with this.
pub struct Qemu(Child);

impl Qemu {
    pub fn start(mut command: Command) -> Qemu {
        Qemu(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
