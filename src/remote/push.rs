//! Copies a program of ours to another machine.

use std::time::Duration;

use super::{Remote, quote};
use crate::failure::Result;

impl Remote {
    /// Whether a program of that path exists.
    pub fn has_program(&self, path: &str, limit: Duration) -> Result<bool> {
        Ok(self.run(&format!("test -x {}", quote(path)), limit)?.status == 0)
    }

    /// Copies a program into a directory, and makes the directory if it is missing. The program gets its name when it is
    /// complete: nobody ever runs a partial copy, and two copies at the same time do not meet.
    pub fn push_program(&self, program: &[u8], directory: &str, name: &str, limit: Duration) -> Result<()> {
        let (path, directory) = (format!("{directory}/{name}"), quote(directory));
        let path = quote(&path);
        let script = format!(
            "part={path}.$$; mkdir -p {directory} && cat > \"$part\" && chmod 755 \"$part\" && mv \"$part\" {path}"
        );
        self.check_with_input(&script, program, limit).map(drop)
    }
}
