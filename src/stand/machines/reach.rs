//! How the machine hosts are reached.

use crate::stand::raised::Raised;

/// Instructions for reaching the machine hosts.
pub(super) fn reach(raised: &Raised) -> String {
    let Raised { inventory, hosts, password } = raised;
    let hosts: String = hosts.iter().map(|(name, address)| format!("  {name:<12}  {address}\n")).collect();
    let address = raised.hosts.first().map(|(_, address)| address.as_str()).unwrap_or_default();
    let line = |command: &str, what: &str| format!("  {command:<30}  {what}\n");
    format!(
        "{hosts}  {:<12}  {}\n  {:<12}  {}\n\n  multivm doctor --inventory {1}\n{}{}",
        "inventory",
        inventory.display(),
        "password",
        password.display(),
        line(&format!("ssh root@{address}"), "a shell on a host"),
        line("multivm lab down", "take them down"),
    )
}
