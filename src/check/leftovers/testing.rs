//! What tests of this check have in common.

use crate::remote::protocol::Traces;

/// An answer of our program, its lines with `|` in place of tabs.
pub fn traces(lines: &[&str]) -> Traces {
    lines.iter().map(|line| format!("{}\n", line.replace('|', "\t"))).collect::<String>().parse().unwrap()
}
