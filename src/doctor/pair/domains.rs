//! Users' own domains, whose accelerator, machine type and QEMU both hosts must have.

use std::time::Duration;

use super::Diagnosis;
use super::asked_host::AskedHost;
use crate::guest::WantedFleet;
use crate::inventory::catalogue::{Catalogue, DomainNeeds, HostLack};
use crate::remote::quote;

/// How long a host may take to look for a file.
const LIMIT: Duration = Duration::from_secs(60);

/// What is said of each image of the fleet that has a domain of the user's own.
pub fn examine(hosts: &[AskedHost<'_>; 2], fleet: WantedFleet<'_>) -> Vec<Diagnosis> {
    let has_file = |at: usize, path: &str| {
        let said = hosts[at].remote.run(&format!("test -x {}", quote(path)), LIMIT);
        // A host that does not answer now is said elsewhere.
        said.map_or(true, |said| said.status == 0)
    };
    of(hosts, fleet, has_file)
}

fn of(
    hosts: &[AskedHost<'_>; 2],
    fleet: WantedFleet<'_>,
    has_file: impl Fn(usize, &str) -> bool,
) -> Vec<Diagnosis> {
    let images = fleet.catalogue.into_iter().flat_map(Catalogue::images_in_use);
    let capabilities = hosts.each_ref().map(|host| host.facts.text("capabilities"));
    let one = |(name, path, needs): (&str, String, DomainNeeds)| {
        let what = format!("domain of {name}");
        let lacks = needs.lacks(capabilities, &has_file);
        if lacks.is_empty() {
            return vec![Diagnosis::good(what, format!("both hosts have what {path} names"))];
        }
        let missing = |lack: HostLack| {
            hosts[lack.host].missing(
                &what,
                format!("{}, which {path} names", lack.what),
                format!("wanted in {path}: {}", lack.instead),
            )
        };
        lacks.into_iter().map(missing).collect()
    };
    images
        .filter_map(|image| {
            let domain = image.domain.as_ref()?;
            Some((&*image.name, domain.path.display().to_string(), DomainNeeds::of(&domain.text)?))
        })
        .flat_map(one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};
    use crate::inventory::catalogue::testing::catalogue_in;
    use crate::scenario::{ScenarioFile, locate};

    const DOMAIN: &str = "<domain type='kvm'><name>mine</name><memory unit='GiB'>2</memory><vcpu>3</vcpu>\
        <os><type arch='x86_64' machine='pc-q35-9.2'>hvm</type></os><devices><emulator>/opt/qemu</emulator>\
        <disk type='file'><target dev='sda'/></disk><interface type='network'/></devices></domain>";

    #[test]
    fn each_host_must_have_what_a_domain_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("my.xml"), DOMAIN).unwrap();
        let text = "image = [{ name = 'a', file = 'disk', firmware = 'bios', identity = 'cloud-init', domain = 'my.xml' }]\n\
                    guest = [{ image = 'a' }]";
        let catalogue = catalogue_in(folder.path(), text);
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let (pair, profile) = (ordinary(), file.profile("lab").unwrap().clone());
        let fleet = WantedFleet { profile: &profile, catalogue: Some(&catalogue) };
        let said = |kinds: &str| {
            format!(
                "<<capabilities\n<capabilities><guest><arch name='x86_64'><emulator>/usr/bin/qemu</emulator>{kinds}</arch></guest>\
                 </capabilities>\n>>capabilities"
            )
        };
        let both = said("<domain type='qemu'/><domain type='kvm'/>");
        let grades = |target: &str, has: bool| {
            let hosts = hosts(&pair, &both, target);
            let found = of(&hosts, fleet, |_, path| has && path == "/opt/qemu");
            found.into_iter().map(|found| (found.name, found.verdict)).collect::<Vec<_>>()
        };
        assert_eq!(grades(&both, true), [("domain of a".to_owned(), Grade::Good)]);
        let of_target = ("target: domain of a".to_owned(), Grade::Missing);
        assert_eq!(grades(&said("<domain type='qemu'/>"), true), std::slice::from_ref(&of_target));
        assert_eq!(grades(&both, false), [("source: domain of a".to_owned(), Grade::Missing), of_target]);
    }
}
