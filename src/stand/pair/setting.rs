//! Settings of a host that multivm changes until the next boot, and that somebody else may meanwhile set for good.

use super::change::Change;
use super::lease::{LEASE, same_boot};
use crate::inventory::file::Consent;

/// A setting of a host that is off and has to be on. Its parts are commands of a shell.
pub struct Setting {
    /// Its place in the order of changes and its name.
    pub name: &'static str,
    pub consent: Consent,
    /// The setting, for people.
    pub what: &'static str,
    /// Succeeds where nothing has to be done.
    pub unless: String,
    pub is_on: String,
    pub on: String,
    pub off: String,
    /// Prints what makes the setting at each boot; nothing where nothing does.
    pub lasting: &'static str,
    /// What a user does instead of allowing it.
    pub instead: &'static str,
}

impl Setting {
    /// The change that sets it. It is taken back if it is still multivm's: not in a later boot, and not after somebody has set it for good.
    pub fn change(self) -> Change {
        let Setting { name, consent, what, unless, is_on, on, off, lasting, instead } = self;
        Change {
            name,
            consent: Some(consent),
            unless,
            note: format!("lasting=$({lasting})\nprintf '%s\\n' \"$lasting\" > {name}.lasting"),
            act: on,
            undo: format!(
                "{is_on} || exit 0\n\
                 left() {{ echo \"left: {what} stays on: $1\"; exit 0; }}\n\
                 {} || left 'the host has booted since multivm set it'\n\
                 [ \"$({lasting})\" = \"$(cat {LEASE}/{name}.lasting)\" ] || left 'somebody has set it for good meanwhile'\n\
                 {off}",
                same_boot()
            ),
            instead: instead.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{Sandbox, content};
    use super::*;

    /// A host with a setting that is a file, and another file that sets it at each boot.
    fn host() -> Sandbox {
        let host = Sandbox::leased();
        fs::write(host.path("setting"), "off\n").unwrap();
        fs::write(host.path("multivm/at-boot"), "").unwrap();
        let file = host.path("setting").display().to_string();
        let setting = Setting {
            name: "62-setting",
            consent: Consent::Selinux,
            what: "the setting",
            unless: "false".into(),
            is_on: format!("grep -q on {file}"),
            on: format!("echo on > {file}"),
            off: format!("echo off > {file}"),
            lasting: "cat /var/lib/multivm/at-boot",
            instead: "",
        };
        assert!(host.make(&[setting.change()], &[Consent::Selinux]).status.success());
        assert_eq!(content(&host.path("setting")).as_deref(), Some("on\n"));
        host
    }

    /// What putting the host back says, and what the setting is then.
    fn put_back(host: &Sandbox) -> (String, String) {
        let output = host.put_back();
        assert!(output.status.success() && !host.lease("").exists());
        (String::from_utf8_lossy(&output.stdout).into_owned(), content(&host.path("setting")).unwrap())
    }

    #[test]
    fn a_setting_is_taken_back() {
        assert_eq!(put_back(&host()), (String::new(), "off\n".to_owned()));
    }

    #[test]
    fn a_setting_that_somebody_made_for_good_meanwhile_stays_and_is_told_of() {
        let host = host();
        fs::write(host.path("multivm/at-boot"), "on\n").unwrap();
        let (said, is) = put_back(&host);
        assert_eq!(said, "left: 62-setting: the setting stays on: somebody has set it for good meanwhile\n");
        assert_eq!(is, "on\n");
    }

    #[test]
    fn a_setting_of_a_later_boot_stays_and_is_told_of() {
        let host = host();
        host.boot();
        let (said, is) = put_back(&host);
        assert_eq!(
            said,
            "left: 62-setting: the setting stays on: the host has booted since multivm set it\n"
        );
        assert_eq!(is, "on\n");
    }

    #[test]
    fn a_setting_that_is_off_again_is_no_trouble() {
        let host = host();
        fs::write(host.path("setting"), "off\n").unwrap();
        assert_eq!(put_back(&host), (String::new(), "off\n".to_owned()));
    }
}
