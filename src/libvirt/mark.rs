//! The mark of a domain that multivm made: an element of its own in the domain's `<metadata>`. libvirt keeps it as long as
//! the domain exists, and migrates it with the domain.

/// XML namespace of the mark.
pub const MARK_NAMESPACE: &str = "urn:multivm:owner:1";

/// The maker of a domain, and its purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Id of the run, or of the permanent lab, that made the domain.
    pub run: String,
    /// The part of a profile that the domain's definition depends on, as text.
    pub profile: String,
}

impl Mark {
    /// Parses the mark from the text of an `owner` element; none if the element is not one of this version.
    pub(super) fn parse(element: &str) -> Option<Mark> {
        let document = roxmltree::Document::parse(element).ok()?;
        Mark::of(document.root_element())
    }

    /// Reads the mark from an `owner` element; none if the element is not one of this version.
    pub fn of(element: roxmltree::Node<'_, '_>) -> Option<Mark> {
        let attribute = |name| element.attribute(name).map(str::to_owned);
        (element.tag_name().name() == "owner")
            .then(|| Some(Mark { run: attribute("run")?, profile: attribute("profile")? }))?
    }
}
