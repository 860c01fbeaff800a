//! Hosts of libvirt's built-in test driver, which lives in the client library and needs no daemon.

use std::io::Write;
use std::ops::Deref;

use super::{Connection, Libvirt};

/// A separate host for a test: `test:///default` is one host for the whole process, `test:///FILE` is a new one per
/// connection.
pub(super) struct TestHost {
    connection: Connection,
    _node: tempfile::NamedTempFile,
}

impl TestHost {
    pub(super) fn new(label: &str) -> TestHost {
        let mut node = tempfile::NamedTempFile::new().unwrap();
        node.write_all(b"<node><cpu><mhz>1000</mhz><model>x</model><active>2</active></cpu></node>").unwrap();
        let uri = format!("test://{}", node.path().display());
        TestHost { connection: Libvirt::start().unwrap().connect(&uri, label).unwrap(), _node: node }
    }
}

impl Deref for TestHost {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

pub(super) fn domain_xml(name: &str) -> String {
    format!(
        "<domain type='test'><name>{name}</name><memory>8192</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"
    )
}
