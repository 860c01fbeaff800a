//! Domains with and without a mark. Whoever decides whose a domain is goes through them: the claim of a domain, the survey of
//! hosts, and the script by which a host puts itself back.

use super::testing::{TestHost, domain_xml};

/// The run that made some of the domains.
pub(crate) const RUN: &str = "R1";

/// The metadata of a domain, and whether [`RUN`] made the domain.
pub(crate) const EXAMPLES: &[(&str, bool)] = &[
    (r#"<multivm:owner xmlns:multivm="urn:multivm:owner:1" run="R1" profile="1 vCPU"/>"#, true),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" profile="p" run="R1"/>"#, true),
    (r#"<owner xmlns="urn:multivm:owner:1" run="R1" profile="p"/>"#, true),
    (r#"<m:owner xmlns:m='urn:multivm:owner:1' run='R&#49;' profile='p'/>"#, true),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" profile="a &gt; b" run="R1"/>"#, true),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" profile="a&#10;b" run="R1"/>"#, true),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R1" profile="p">words</m:owner>"#, true),
    (r#"<x:note xmlns:x="urn:x"/><m:owner xmlns:m="urn:multivm:owner:1" run="R1" profile="p"/>"#, true),
    // Not here: attributes with a prefix (`m:run`). libvirt 11.3 answers them with a prefix out of memory that it has freed.
    ("", false),
    // Another run's.
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R2" profile="p"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R10" profile="p"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="r1" profile="p"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="" profile="R1"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R2" profile="run=&quot;R1&quot;"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R2" profile="x run=&quot;R1&quot;"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R2" profile=' run="R1" '/>"#, false),
    (
        r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R2" profile="p"><m:owner run="R1" profile="p"/></m:owner>"#,
        false,
    ),
    // No mark of this version.
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R1"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" run="R1"><m:more profile="p"/></m:owner>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" profile="p"/>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:1" ran="R1" profile="p"/>"#, false),
    (r#"<m:owners xmlns:m="urn:multivm:owner:1" run="R1" profile="p"/>"#, false),
    (r#"<m:of xmlns:m="urn:multivm:owner:1"><m:owner run="R1" profile="p"/></m:of>"#, false),
    (r#"<m:owner xmlns:m="urn:multivm:owner:2" run="R1" profile="p"/>"#, false),
    (r#"<owner xmlns="urn:somebody" run="R1" profile="p"/>"#, false),
    (r#"<x:note xmlns:x="urn:x">&lt;owner run="R1" profile="p"/&gt;</x:note>"#, false),
];

/// What libvirt answers who asks it for the mark of a domain with that metadata; none if the domain has none.
pub(crate) fn answer(metadata: &str) -> Option<String> {
    let host = TestHost::new("source");
    let xml = domain_xml("vm1").replace("<memory>", &format!("<metadata>{metadata}</metadata><memory>"));
    host.define(&xml).unwrap().mark_element().unwrap()
}
