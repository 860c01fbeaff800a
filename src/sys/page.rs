//! Tables of pages that are made of the program's own.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::parallel::locked;

/// Two tests may write tables of one page.
static WRITING: Mutex<()> = Mutex::new(());

/// Asserts that a page has this table between `<!-- NAME -->` and `<!-- /NAME -->`. With `MULTIVM_BLESS=1` it is written there.
/// `test` is the filter of `cargo test --lib` that this is called by.
pub(crate) fn has_table(page: &str, name: &str, table: &str, test: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let parts = |text: &str| -> [String; 3] {
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
        let (there, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page} has no {end}"));
        [before, there, after].map(str::to_owned)
    };
    let _writing = locked(&WRITING);
    let [before, mut there, after] = parts(&fs::read_to_string(&path).unwrap());
    if std::env::var_os("MULTIVM_BLESS").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        [_, there, _] = parts(&fs::read_to_string(&path).unwrap());
    }
    assert!(
        there == table,
        "{page} has another table of the {name}. Paste this, or run\n  MULTIVM_BLESS=1 cargo test --lib {test}\n\n{table}"
    );
}
