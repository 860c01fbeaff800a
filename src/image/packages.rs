//! What images are made of: Debian's packages, with those of the programs that make load.

use crate::scenario::Load;

/// Packages, one a line as in a list, and those of the programs that make load.
pub(super) fn with_load_tools(list: &str) -> String {
    let tools = Load::tools();
    let tools = tools.iter().map(|tool| format!("{}\n", tool.packages[0]));
    [list.to_owned()].into_iter().chain(tools).collect()
}

/// An assignment of the shell with the programs that make load, for the recipe that tries them.
pub(super) fn load_programs() -> String {
    format!("load_programs='{}'\n", Load::programs().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_the_package_of_every_load() {
        let list = with_load_tools("sudo\n");
        let packages: Vec<&str> = list.lines().collect();
        assert_eq!(packages[0], "sudo");
        for load in Load::ALL {
            assert!(packages.contains(&load.row().tool.packages[0]), "{list}");
        }
        assert!(load_programs().contains("stress-ng"), "{}", load_programs());
    }
}
