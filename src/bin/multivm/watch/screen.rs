//! The display of a watched run: pictures on a terminal, and lines in a pipe.

use std::env;
use std::io::{self, IsTerminal, Write};

use console::Term;
use multivm::sys::terminal::{self, Block, ScreenSize};

use super::watched::{NewLines, Watched};

/// A screen without limits, in which everything fits.
pub const ENDLESS: ScreenSize = ScreenSize { columns: usize::MAX, rows: usize::MAX };

/// Standard output, by its kind.
pub enum Screen {
    Terminal { block: Block, colours: bool },
    Pipe,
}

impl Screen {
    /// Finds out the kind of standard output.
    pub fn begin() -> Screen {
        let variable = |name: &str| env::var(name).ok();
        if io::stdout().is_terminal() && terminal::can_draw(variable) {
            Screen::Terminal { block: Block::new(), colours: terminal::colours(variable) }
        } else {
            Screen::Pipe
        }
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Screen::Terminal { .. })
    }

    /// Shows the run after some news; returns whether a reader is still there.
    pub fn show(&mut self, run: &Watched, news: &NewLines) -> bool {
        let shown = match self {
            Screen::Pipe => print(&news.lines),
            Screen::Terminal { block, colours } => {
                let size = terminal::usable(Term::stdout().size_checked());
                let lines = run.lines(size).iter().map(|line| line.paint(*colours)).collect();
                keep(block, &news.failures).and_then(|()| block.draw(&mut io::stdout().lock(), lines))
            }
        };
        shown.is_ok()
    }

    /// Shows the run for the last time, with a picture that stays on a terminal; returns whether a reader is still there.
    pub fn end(&mut self, run: &Watched, news: &NewLines) -> bool {
        let shown = match self {
            Screen::Pipe => print(&news.lines),
            Screen::Terminal { block, colours } => {
                let lines: Vec<String> = run.lines(ENDLESS).iter().map(|line| line.paint(*colours)).collect();
                keep(block, &news.failures)
                    .and_then(|()| block.clear(&mut io::stdout().lock()))
                    .and_then(|()| print(&lines))
            }
        };
        shown.is_ok()
    }
}

/// Writes lines that stay above the picture.
fn keep(block: &mut Block, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    block.clear(&mut io::stdout().lock())?;
    print(lines)
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
