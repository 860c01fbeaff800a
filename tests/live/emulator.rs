//! What stands on the screen of a terminal, and what has scrolled out of it, after everything that was written to it.

use std::num::NonZeroU16;

/// A terminal that keeps what scrolls out.
pub struct Emulator {
    pub parser: vt100::Parser,
}

impl Emulator {
    pub fn new(rows: u16, columns: u16) -> Emulator {
        let size = |number| NonZeroU16::new(number).unwrap();
        Emulator { parser: vt100::Parser::new(size(rows), size(columns), 1000) }
    }

    /// All rows to the last that is not empty, also those that have scrolled out.
    pub fn rows(&mut self) -> Vec<String> {
        let screen = self.parser.screen_mut();
        let columns = screen.size().1.get();
        let mut rows: Vec<String> = Vec::new();
        for above in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(above);
            rows.extend(screen.rows(0, columns).next());
        }
        screen.set_scrollback(0);
        rows.extend(screen.rows(0, columns));
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }
}
