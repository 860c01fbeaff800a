//! Hosts of libvirt's built-in test driver, which lives in the client library and needs no daemon.

use std::io::Write;
use std::ops::Deref;

use super::{Connection, Libvirt};

/// The description of hosts for a test: `test:///default` is one host for the whole process, `test:///FILE` is a new one per
/// connection.
pub(crate) struct TestNode(tempfile::NamedTempFile);

impl TestNode {
    pub(crate) fn new() -> TestNode {
        let mut node = tempfile::NamedTempFile::new().unwrap();
        node.write_all(b"<node><cpu><mhz>1000</mhz><model>x</model><active>2</active></cpu></node>").unwrap();
        TestNode(node)
    }

    pub(crate) fn uri(&self) -> String {
        format!("test://{}", self.0.path().display())
    }
}

/// A separate host for a test.
pub(super) struct TestHost {
    connection: Connection,
    _node: TestNode,
}

impl TestHost {
    pub(super) fn new(label: &str) -> TestHost {
        let node = TestNode::new();
        TestHost { connection: Libvirt::start().unwrap().connect(&node.uri(), label).unwrap(), _node: node }
    }
}

impl Deref for TestHost {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

pub(crate) fn domain_xml(name: &str) -> String {
    format!(
        "<domain type='test'><name>{name}</name><memory>8192</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"
    )
}
