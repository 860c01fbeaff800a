//! The networks that a host's libvirt knows, for reading only: how each is defined, and which addresses it has leased.

use std::ffi::{CStr, c_char};
use std::ptr;

use nix::libc;
use virt::network::Network;
use virt_sys as sys;

use super::connection::Exchange;
use super::{Connection, Error, Result};

/// One network of libvirt's on a host, active or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSummary {
    pub name: String,
    /// The network's definition.
    pub xml: String,
    /// The addresses that its DHCP server has leased and that have not expired.
    pub leases: Vec<NetworkLease>,
}

/// An address that a network's DHCP server has leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLease {
    pub address: String,
    /// The MAC address of the one that has it; empty where only a DUID is known (DHCPv6).
    pub mac: String,
}

impl Connection {
    /// All networks, active and inactive. A host whose libvirt has no networks of its own (its driver is not installed) has
    /// none.
    pub fn networks(&self) -> Result<Vec<NetworkSummary>> {
        const OPERATION: &str = "list networks";
        self.ask(OPERATION, |asked| {
            let listed = match asked.raw().list_all_networks(0).map_err(asked.failed(OPERATION)) {
                Err(error) if error.is_no_driver() => return Ok(Vec::new()),
                listed => listed?,
            };
            let networks = listed.iter().map(|network| summary(asked, network));
            networks.filter_map(Result::transpose).collect()
        })
    }
}

/// What is known of a network; none if somebody has removed it since the list was made.
fn summary(asked: &Exchange, network: &Network) -> Result<Option<NetworkSummary>> {
    let read = || -> Result<NetworkSummary> {
        const OPERATION: &str = "read a network";
        let name = network.name().map_err(asked.failed(OPERATION))?;
        let xml = network.xml_desc(0).map_err(asked.failed(OPERATION))?;
        Ok(NetworkSummary { name, xml, leases: leases(asked, network)? })
    };
    match read() {
        Err(error) if error.is_no_network() => Ok(None),
        read => read.map(Some),
    }
}

fn leases(asked: &Exchange, network: &Network) -> Result<Vec<NetworkLease>> {
    const OPERATION: &str = "read the DHCP leases of a network";
    let mut list: *mut sys::virNetworkDHCPLeasePtr = ptr::null_mut();
    // SAFETY: the handle is valid as long as `network`; without a MAC address libvirt answers all leases; the last pointer
    // is to a live variable, which libvirt leaves null if there are none.
    let count = unsafe { sys::virNetworkGetDHCPLeases(network.as_ptr(), ptr::null(), &mut list, 0) };
    let Ok(count) = usize::try_from(count) else {
        let error = Error::last(OPERATION).on(asked.connection().host_arc());
        // A driver without DHCP has leased nothing.
        return if error.is_no_support() { Ok(Vec::new()) } else { Err(error) };
    };
    if list.is_null() {
        return Ok(Vec::new());
    }
    let lease = |at: usize| {
        // SAFETY: libvirt filled `list` with `count` pointers to leases, whose texts are C strings or null.
        unsafe {
            let lease = *list.add(at);
            let read = NetworkLease { address: text((*lease).ipaddr), mac: text((*lease).mac) };
            // Nobody uses this lease after this.
            sys::virNetworkDHCPLeaseFree(lease);
            read
        }
    };
    let leases = (0..count).map(lease).collect();
    // SAFETY: libvirt allocated the list by malloc, and leaves it to its caller, who does not use it after this.
    unsafe { libc::free(list.cast()) };
    Ok(leases)
}

/// Copies a text of libvirt's; an empty one for null.
///
/// # Safety
///
/// The pointer is null, or to a C string.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the pointer is not null, so it is a C string by the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestHost;
    use super::*;

    const OFFICE: &str = "<network><name>office</name><bridge name='virbr9'/>\
        <ip address='192.0.2.1' netmask='255.255.255.0'><dhcp><range start='192.0.2.2' end='192.0.2.9'/></dhcp></ip></network>";

    #[test]
    fn a_host_without_networks_has_none() {
        assert_eq!(TestHost::new("source").networks().unwrap(), []);
    }

    #[test]
    fn an_inactive_network_is_listed_with_its_definition() {
        let host = TestHost::new("source");
        host.ask("define a network", |asked| {
            asked.raw().define_network_xml(OFFICE).map(drop).map_err(asked.failed("define a network"))
        })
        .unwrap();
        let networks = host.networks().unwrap();
        assert_eq!(networks.iter().map(|network| &*network.name).collect::<Vec<_>>(), ["office"]);
        assert!(networks[0].xml.contains("192.0.2.9") && networks[0].leases.is_empty(), "{networks:?}");
    }

    #[test]
    fn a_text_that_is_not_there_is_empty() {
        // SAFETY: null, or a C string.
        let texts = unsafe { [text(ptr::null()), text(c"52:54:00:00:00:01".as_ptr())] };
        assert_eq!(texts, ["", "52:54:00:00:00:01"]);
    }
}
