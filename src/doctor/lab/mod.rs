//! Examines what this machine can do for the lab and what it lacks.
//!
//! No check changes anything: a trial runs in a child with namespaces of its own, which leave nothing.

mod accelerator;
mod catalogue;
mod disk;
mod kernel;
mod machine;
mod packages;
mod privilege;
mod traces;

pub use disk::{free, refusal_for_images, storage_room};
pub use machine::supply;

use super::{Diagnosis, Grade};
use crate::scenario::Profile;
use crate::stand::Settings;
use privilege::Privilege;

/// Runs all checks in the order in which the lab needs their subjects. A profile adds the question whether its fleet fits.
pub fn examine(settings: &Settings, profile: Option<&Profile>) -> Vec<Diagnosis> {
    let privilege = Privilege::find();
    let mut findings = vec![privilege.finding()];
    findings.extend(packages::examine(settings));
    findings.extend(kernel::examine(&privilege));
    findings.push(accelerator::examine(settings));
    findings.extend(machine::examine(settings, profile));
    findings.extend(disk::examine(settings));
    findings.extend(catalogue::examine(settings, profile));
    findings.extend(traces::examine());
    findings
}
