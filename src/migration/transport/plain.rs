//! One connection, memory as it is: libvirt's default.

use super::{Requirement, Spec};

pub static SPEC: Spec = Spec { asks: |_| (), needs: |_| Requirement::NONE, promise: None };
