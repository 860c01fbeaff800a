//! One connection, memory as it is: libvirt's default.

use super::Requirement;
use super::demands::TransportDemands;

pub static DEMANDS: TransportDemands =
    TransportDemands { asks: |_| (), needs: |_| Requirement::NONE, promise: None };
