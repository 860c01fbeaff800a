//! Small words for messages and reports.

use std::fmt::Display;

/// `1 guest`, `3 guests`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: impl Display, many: impl Display) -> String {
    if count == N::from(1) { format!("{count} {one}") } else { format!("{count} {many}") }
}

/// The first line of a text; empty if it has none.
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_anything_else_plural() {
        let guests = |count: usize| counted(count, "guest", "guests");
        assert_eq!([0, 1, 2].map(guests), ["0 guests", "1 guest", "2 guests"]);
    }

    #[test]
    fn of_several_lines_the_first_counts() {
        assert_eq!(["", "one", "one\ntwo", "\ntwo"].map(first_line), ["", "one", "one", ""]);
    }
}
