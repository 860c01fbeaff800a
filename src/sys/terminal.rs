//! Lines on a terminal that are drawn below the line that is being written, and taken away again.
//!
//! libtest writes `test NAME ... `, leaves the cursor there, and writes the result behind it when the test is over. So
//! what is drawn meanwhile stands below, and the cursor goes back to where it was, in its column too; before anything
//! else is written, what was drawn is erased.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard};

use super::parallel::locked;

/// Goes one line down in the same column, and scrolls at the bottom of the screen, as terminals do for a vertical tab
/// (xterm's ctlseqs, "VT"; console_codes(4)). A line feed would come as carriage return and line feed out of a tty.
const DOWN_OR_SCROLL: &str = "\x0b";
const SAVE_CURSOR: &str = "\x1b7";
const RESTORE_CURSOR: &str = "\x1b8";
/// Cursor down one line, which must be there.
const DOWN: &str = "\x1b[B";
const ERASE_REST_OF_LINE: &str = "\x1b[K";
/// From the cursor to the end of the screen.
const ERASE_BELOW: &str = "\x1b[J";

/// A terminal whose size is not known has that of a VT100.
const USUAL: ScreenSize = ScreenSize { columns: 80, rows: 24 };

/// What is drawn on this process's terminal: there is only one.
static BLOCK: Mutex<Block> = Mutex::new(Block::new());

/// The part of a screen that text may fill, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenSize {
    pub columns: usize,
    pub rows: usize,
}

/// The lines that are drawn below the cursor.
#[derive(Debug, Default)]
pub struct Block {
    drawn: Vec<String>,
}

impl Block {
    pub const fn new() -> Block {
        Block { drawn: Vec::new() }
    }

    /// Draws these lines below the cursor in place of those that are there. Every line must fit into the columns of the
    /// screen, and all of them into its rows but one.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, out: &mut impl Write, lines: Vec<String>) -> io::Result<()> {
        if lines == self.drawn {
            return Ok(());
        }
        if lines.is_empty() {
            return self.clear(out);
        }
        // In one piece: what is written by others falls between two pictures, not into one.
        let mut text = DOWN_OR_SCROLL.repeat(lines.len());
        // Up again: now there are as many rows below the cursor's.
        text.push_str(&format!("\x1b[{}A{SAVE_CURSOR}", lines.len()));
        for (number, line) in lines.iter().enumerate() {
            // The picture before this one may have had more lines.
            let erase = if number + 1 == lines.len() { ERASE_BELOW } else { ERASE_REST_OF_LINE };
            text.push_str(&format!("{DOWN}\r{line}{erase}"));
        }
        text.push_str(RESTORE_CURSOR);
        self.drawn = lines;
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Erases what is drawn.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn clear(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.drawn.is_empty() {
            return Ok(());
        }
        self.drawn.clear();
        out.write_all(ERASE_BELOW.as_bytes())?;
        out.flush()
    }
}

/// Says something on standard error, where a status may be drawn: it is taken away first, and drawn again below by
/// whoever drew it.
pub fn say(text: &str) {
    let mut block = block();
    let mut out = io::stderr().lock();
    let _ = block.clear(&mut out);
    let _ = writeln!(out, "{text}");
}

/// The block of standard error.
pub fn block() -> MutexGuard<'static, Block> {
    locked(&BLOCK)
}

/// For a panic, which may come from the thread that draws: takes away what is drawn, if that can be done at once.
pub fn clear_in_panic() {
    if let Ok(mut block) = BLOCK.try_lock() {
        let _ = block.clear(&mut io::stderr());
    }
}

/// Whether the terminal can move its cursor, as far as the environment tells.
pub fn can_draw(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("TERM").is_some_and(|terminal| !terminal.is_empty() && terminal != "dumb")
}

/// Whether colours are welcome (<https://no-color.org>).
pub fn colours(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The size of a block on a terminal of this size: the last column stays free, since terminals differ in what they do
/// after it was written, and a row belongs to the line that the cursor is in.
pub fn usable(size: Option<(u16, u16)>) -> ScreenSize {
    let size =
        size.map_or(USUAL, |(rows, columns)| ScreenSize { columns: columns.into(), rows: rows.into() });
    ScreenSize { columns: size.columns.saturating_sub(1), rows: size.rows.saturating_sub(1) }
}

#[cfg(test)]
#[path = "../../tests/live/emulator.rs"]
mod emulator;

#[cfg(test)]
mod tests {
    use super::emulator::Emulator;
    use super::*;
    use rstest::rstest;

    /// A terminal of 30 columns and 6 rows.
    struct Screen(Emulator);

    impl Screen {
        fn new() -> Screen {
            Screen(Emulator::new(6, 30))
        }

        fn rows(&mut self) -> Vec<String> {
            self.0.rows()
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.parser.process(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    /// As a tty passes on what is written to it.
    fn print(screen: &mut Screen, text: &str) {
        screen.write_all(text.replace('\n', "\r\n").as_bytes()).unwrap();
    }

    #[test]
    fn it_stands_below_a_line_that_is_not_complete() {
        let mut screen = Screen::new();
        let mut block = Block::new();
        print(&mut screen, "running 1 test\ntest a ... ");
        block.draw(&mut screen, lines(&["one", "two"])).unwrap();
        assert_eq!(screen.rows(), ["running 1 test", "test a ... ", "one", "two"]);
        block.draw(&mut screen, lines(&["three"])).unwrap();
        assert_eq!(screen.rows(), ["running 1 test", "test a ... ", "three"]);
        block.clear(&mut screen).unwrap();
        print(&mut screen, "ok\n");
        assert_eq!(screen.rows(), ["running 1 test", "test a ... ok"]);
    }

    /// At the bottom of the screen the lines above go up; nothing of the block stays behind in what has scrolled out.
    #[rstest]
    fn it_scrolls(#[values(1, 2, 5)] height: usize, #[values(1, 4, 5, 12)] tests: usize) {
        let mut screen = Screen::new();
        let mut block = Block::new();
        let mut expected = Vec::new();
        for test in 0..tests {
            print(&mut screen, &format!("test {test} ... "));
            for picture in 0..3 {
                let drawn: Vec<String> = (0..height).map(|row| format!("picture {picture} {row}")).collect();
                block.draw(&mut screen, drawn.clone()).unwrap();
                let mut rows = expected.clone();
                rows.push(format!("test {test} ... "));
                rows.extend(drawn);
                assert_eq!(screen.rows(), rows);
            }
            block.clear(&mut screen).unwrap();
            print(&mut screen, "ok\n");
            expected.push(format!("test {test} ... ok"));
            assert_eq!(screen.rows(), expected);
        }
    }

    #[test]
    fn a_line_that_is_wider_than_the_screen_stays_whole() {
        let mut screen = Screen::new();
        let mut block = Block::new();
        let name = "test postcopy_simultaneous::in_vms ... ";
        print(&mut screen, name);
        block.draw(&mut screen, lines(&["one"])).unwrap();
        assert_eq!(screen.rows().concat(), format!("{name}one"));
        block.clear(&mut screen).unwrap();
        print(&mut screen, "ok\n");
        assert_eq!(screen.rows().concat(), format!("{name}ok"));
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let mut block = Block::new();
        let mut out = Vec::new();
        block.draw(&mut out, lines(&["one"])).unwrap();
        let length = out.len();
        block.draw(&mut out, lines(&["one"])).unwrap();
        assert_eq!(out.len(), length);
        block.clear(&mut out).unwrap();
        block.clear(&mut out).unwrap();
        assert!(out.ends_with(b"one\x1b[J\x1b8\x1b[J"), "{out:?}");
    }

    #[rstest]
    #[case::usual(Some("xterm-256color"), true)]
    #[case::dumb(Some("dumb"), false)]
    #[case::unknown(None, false)]
    #[case::empty(Some(""), false)]
    fn a_terminal_must_move_its_cursor(#[case] term: Option<&str>, #[case] expected: bool) {
        let variable = |name: &str| (name == "TERM").then(|| term.map(str::to_owned)).flatten();
        assert_eq!(can_draw(variable), expected);
    }

    #[rstest]
    #[case(None, true)]
    #[case(Some(""), true)]
    #[case(Some("1"), false)]
    fn colours_can_be_refused(#[case] value: Option<&str>, #[case] expected: bool) {
        assert_eq!(colours(|_| value.map(str::to_owned)), expected);
    }

    #[test]
    fn a_block_leaves_a_row_and_a_column() {
        assert_eq!(usable(Some((50, 132))), ScreenSize { columns: 131, rows: 49 });
        assert_eq!(usable(None), ScreenSize { columns: 79, rows: 23 });
        assert_eq!(usable(Some((0, 0))), ScreenSize { columns: 0, rows: 0 });
    }
}
