//! What README.md says of the command line.

use std::fs;
use std::path::Path;

#[test]
fn the_readme_names_every_variable() {
    use multivm::image::Store;
    use multivm::stand::Settings;
    use multivm::{ledger, scenario};
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let readme = fs::read_to_string(Path::new(&package).join("README.md")).unwrap();
    let settings = Settings::VARIABLES.iter().chain(&Store::VARIABLES).map(|(name, _)| (*name).to_owned());
    let profile = scenario::Profile::variables().map(|(name, _)| name);
    let others = [
        scenario::FILE_VARIABLE,
        scenario::SHARD_VARIABLE,
        multivm::plan::SEED_VARIABLE,
        scenario::SIZING_VARIABLE,
        ledger::STATE_VARIABLE,
    ]
    .map(str::to_owned);
    for name in settings.chain(profile).chain(others) {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in README.md");
    }
}
