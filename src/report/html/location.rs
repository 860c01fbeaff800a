//! Where a page lies.

/// Whether the report lies in its run's folder, so that it can link to the other files there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageLocation {
    InRunFolder,
    Elsewhere,
}
