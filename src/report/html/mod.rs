//! The HTML report: one file that needs nothing else, not even a network. A view of the record.
//!
//! ```text
//! RunView --> facts --> page/page.html    the run in one screen, failures and percentiles: there without a script
//!         --> data  --> JSON in the page  what page/*.js draws: matrix, curves, timelines, tables
//! ```
//!
//! Nothing of a record can become markup or script: the template escapes, the JSON has no `<`, and the scripts set text,
//! never HTML. The page's own policy forbids it to load or send anything.

mod data;
mod facts;
mod location;

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::Value;

use super::view::{self, RunView};
use crate::record::{HTML_FILE, ReportError, write_atomically};
pub use location::PageLocation;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = concat!(include_str!("uplot/uPlot.min.css"), "\n", include_str!("page/style.css"));
const PLOTTER: &str = include_str!("uplot/uPlot.iife.min.js");

/// The page's scripts, all in one function, in this order: the last one draws the page.
const SCRIPTS: [&str; 10] = [
    include_str!("page/elements.js"),
    include_str!("page/format.js"),
    include_str!("page/theme.js"),
    include_str!("page/table.js"),
    include_str!("page/plot.js"),
    include_str!("page/matrix.js"),
    include_str!("page/downtime.js"),
    include_str!("page/timeline.js"),
    include_str!("page/scenario.js"),
    include_str!("page/main.js"),
];

/// The report of a run.
///
/// # Errors
/// When the template cannot be filled in, which no content is known to cause.
pub fn render(run: &RunView, place: PageLocation) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("spell", facts::spell);
    // minijinja escapes because the name ends in .html.
    environment.add_template(HTML_FILE, PAGE)?;
    let details: Vec<String> = data::details(run, place).iter().map(in_script).collect();
    let page = environment.get_template(HTML_FILE)?.render(context! {
        style => STYLE,
        plotter => PLOTTER,
        scripts => SCRIPTS,
        run => Serde(facts::facts(run, place)),
        signs => Serde(facts::verdict_signs()),
        overview => in_script(&data::overview(run)),
        details => details,
    })?;
    Ok(page)
}

/// Makes the report of a record, the file or the run's folder, and writes it to `path`, which is whole at every moment.
///
/// # Errors
/// When the record cannot be read or has no beginning, or the report cannot be written.
pub fn write_from_record(record: &Path, path: &Path) -> Result<(), ReportError> {
    let folder = if record.is_dir() { Some(record) } else { record.parent() };
    let same = |a: &Path, b: &Path| {
        let whole = |path: &Path| if path.as_os_str().is_empty() { ".".into() } else { path.to_path_buf() };
        matches!((whole(a).canonicalize(), whole(b).canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    let beside = folder.zip(path.parent()).is_some_and(|(folder, parent)| same(folder, parent));
    let place = if beside { PageLocation::InRunFolder } else { PageLocation::Elsewhere };
    write_atomically(path, render(&view::from_record(record)?, place)?.as_bytes())
}

/// JSON for a script element: without `<`, nothing in it can end the element or begin a comment.
fn in_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests;
