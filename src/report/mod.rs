//! Views of a record: JUnit for CI, a page for people, and the comparison of runs. Each can be made again at any time.

pub mod compare;
pub mod html;
pub mod junit;
mod shorten;
pub mod view;
