//! The axis `sizing`: the size of the guests. It is off by default.

use crate::axis::axis;

/// Environment variable that switches the axis on.
pub const SIZING_VARIABLE: &str = "MULTIVM_SIZING";

/// Whether a text switches the axis on: the value of [`SIZING_VARIABLE`], or clap's value of a flag.
///
/// # Errors
///
/// The text means neither on nor off.
pub fn sizing_switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        // An empty variable counts as not set.
        "0" | "false" | "" => Ok(false),
        _ => Err(format!("allowed in {SIZING_VARIABLE}: 1 (on), 0 (off)")),
    }
}

/// A size: its row in the table. The file declares the fields that it sets.
pub struct SizingRow {
    name: &'static str,
}

axis! {
    /// The size of the guests; `scenarios.toml` declares the fields that it sets, and [`ScenarioFile::profile_of`] applies
    /// them.
    ///
    /// [`ScenarioFile::profile_of`]: super::ScenarioFile::profile_of
    Sizing, "sizing", SizingRow {
        SetVcpu1 => SizingRow { name: "set_vcpu_1" },
        SetVcpu2 => SizingRow { name: "set_vcpu_2" },
        SetMemory1 => SizingRow { name: "set_memory_1" },
        SetMemory2 => SizingRow { name: "set_memory_2" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_on_or_off_or_a_mistake() {
        assert_eq!(
            ["1", "true", "0", "false", ""].map(sizing_switch),
            [true, true, false, false, false].map(Ok)
        );
        assert!(sizing_switch("on").unwrap_err().contains("MULTIVM_SIZING"));
    }
}
