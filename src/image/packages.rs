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
    fn the_recipe_tries_the_program_of_every_load() {
        let programs = load_programs();
        assert!(Load::ALL.iter().all(|load| programs.contains(load.row().tool.program)), "{programs}");
    }
}
