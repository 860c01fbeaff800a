//! The NFS server: images of guests in its export.

use std::time::Duration;

use super::{Remote, quote};
use crate::failure::{Done, Failure};
use crate::inventory::StorageEntry;

/// Making overlays is writing headers: seconds even on a slow disk.
const LIMIT: Duration = Duration::from_secs(60);

/// The server and its export.
pub struct Storage {
    pub entry: StorageEntry,
    pub remote: Remote,
}

impl Storage {
    /// Reaches the server and checks that the export has the base image.
    pub fn connect(entry: &StorageEntry) -> Done<Storage> {
        let remote = Remote::new(entry.name.as_str(), entry.login.clone());
        let base = format!("{}/{}", entry.export, entry.base_image);
        remote.check(&format!("test -r {}", quote(&base)), LIMIT).map_err(|failure| {
            Failure::new("use the NFS export", format!("{base} cannot be read: {}", failure.cause))
                .at(entry.name.as_str())
        })?;
        Ok(Storage { entry: entry.clone(), remote })
    }

    /// Makes fresh overlays over the base image; replaces older ones of the same names.
    pub fn create_overlays(&self, images: &[String]) -> Done<()> {
        let commands: Vec<String> = images
            .iter()
            .map(|image| {
                format!(
                    "qemu-img create -q -f qcow2 -F qcow2 -b {} {}",
                    quote(&self.entry.base_image),
                    quote(image)
                )
            })
            .collect();
        let script = format!("cd {} && {}", quote(&self.entry.export), commands.join(" && "));
        self.remote.check(&script, LIMIT).map(drop)
    }
}
