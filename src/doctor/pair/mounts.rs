//! Mounts of a host whose server does not answer.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

/// Tells every mount that hangs. Whatever asks such a mount waits: df, lsof, and libvirt, when it looks where an image is.
pub fn examine(host: &AskedHost<'_>, _pair: &Pair) -> Vec<Diagnosis> {
    let hung = |path| {
        host.warn(
            "mounts",
            format!("{path} did not answer within 20 s: its server is gone, or stuck"),
            format!("wanted: a server that answers, or no mount; umount -f -l {path} there"),
        )
    };
    host.facts.all("hung_mount").map(hung).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn each_is_told() {
        let pair = ordinary();
        let [source, target] = hosts(&pair, "", "hung_mount /mnt/old\nhung_mount /mnt/older");
        assert!(examine(&source, &pair).is_empty());
        let found = examine(&target, &pair);
        assert_eq!(found.len(), 2);
        assert!(found[1].advice.as_ref().unwrap().contains("umount -f -l /mnt/older there"));
    }
}
