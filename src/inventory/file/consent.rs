//! What multivm may change on hosts that it has not made: nothing that the inventory does not name.

use crate::axis::axis;

/// A kind of change: its row in the table.
pub struct Spec {
    pub name: &'static str,
    /// What multivm does on a host with this consent, and takes back at the end.
    pub does: &'static str,
}

axis! {
    /// A kind of change on a host.
    Consent, "allow", Spec {
        Keys => Spec { name: "keys", does: "adds its public key to authorized_keys" },
        Packages => Spec { name: "packages", does: "installs packages that are missing" },
        Services => Spec { name: "services", does: "starts services that do not run" },
        Exports => Spec { name: "exports", does: "exports a folder by NFS, to the two hosts alone" },
        Mounts => Spec { name: "mounts", does: "mounts the export" },
        Firewall => Spec { name: "firewall", does: "opens the ports of migrations, for the other host alone, while it receives" },
        Selinux => Spec { name: "selinux", does: "sets booleans of SELinux until the host's next boot" },
        Sysctl => Spec { name: "sysctl", does: "sets parameters of the kernel until the host's next boot" },
        Links => Spec { name: "links", does: "makes the links of the overlay" },
    }
}
