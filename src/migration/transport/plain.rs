//! One connection, memory as it is: what libvirt does without being asked for anything.

use super::{Requirement, Spec};

pub static SPEC: Spec = Spec { asks: |_| (), needs: |_| Requirement::NONE, promise: None };
