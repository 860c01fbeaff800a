//! What multivm may change on hosts that it has not made: nothing that the inventory does not name.

use crate::axis::axis;

/// A kind of change: its row in the table.
pub struct ConsentRow {
    pub name: &'static str,
    /// What multivm does on a host with this consent, and takes back at the end.
    pub does: &'static str,
}

axis! {
    /// A kind of change on a host.
    Consent, "allow", ConsentRow {
        Keys => ConsentRow { name: "keys", does: "adds its public key to authorized_keys" },
        Packages => ConsentRow { name: "packages", does: "installs packages that are missing" },
        Services => ConsentRow { name: "services", does: "starts the NFS server of a host that serves, if it does not run" },
        Exports => ConsentRow { name: "exports", does: "exports a folder by NFS, to the two hosts alone" },
        Mounts => ConsentRow { name: "mounts", does: "mounts the export" },
        Firewall => ConsentRow { name: "firewall", does: "opens the ports of migrations, for the other host alone, while it receives, and of the overlay" },
        Selinux => ConsentRow { name: "selinux", does: "sets booleans of SELinux until the host's next boot" },
        Sysctl => ConsentRow { name: "sysctl", does: "sets parameters of the kernel until the host's next boot" },
        Links => ConsentRow { name: "links", does: "makes the links of the overlay" },
    }
}
