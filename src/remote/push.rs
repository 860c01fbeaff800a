//! Copies a program of ours to another machine.

use std::time::Duration;

use super::{Remote, quote};
use crate::failure::Result;

/// Where programs may run if they may not run in the directory that is wanted.
const ELSEWHERE: [&str; 3] = ["/var/lib", "/usr/local/lib", "/root"];

impl Remote {
    /// Whether a program of that path exists.
    pub fn has_program(&self, path: &str, limit: Duration) -> Result<bool> {
        Ok(self.run(&format!("test -x {}", quote(path)), limit)?.status == 0)
    }

    /// Makes a directory in which programs can run. Where its file system lets none run, as Debian's `/run` does, it becomes a link to one of
    /// the same name elsewhere.
    pub fn make_program_directory(&self, directory: &str, limit: Duration) -> Result<()> {
        let (parent, name) = directory.rsplit_once('/').unwrap_or(("", directory));
        let (name, directory) = (quote(name), quote(directory));
        let places: Vec<_> = [parent].into_iter().chain(ELSEWHERE).map(quote).collect();
        // test -x says no of a file on a file system that is mounted with noexec (access(2), EACCES).
        let script = format!(
            "[ ! -d {directory} ] || exit 0\nfor place in {}; do\n\
             try=$place/.multivm-try.$$\n\
             (: > \"$try\") 2> /dev/null && chmod 755 \"$try\" || continue\n\
             if [ -x \"$try\" ]; then rm -f \"$try\"; own=$place/{name}; mkdir -p \"$own\" || exit 1\n\
             [ \"$own\" = {directory} ] || ln -s \"$own\" {directory} 2> /dev/null || [ -d {directory} ]; exit\nfi\n\
             rm -f \"$try\"\ndone\necho 'no file system lets a program of ours run' >&2\nexit 1",
            places.join(" ")
        );
        self.check(&script, limit).map(drop)
    }

    /// Removes a directory for programs, and what it is a link to.
    pub fn remove_program_directory(&self, directory: &str, limit: Duration) -> Result<()> {
        let directory = quote(directory);
        self.check(&format!("rm -rf \"$(readlink -f {directory})\" {directory}"), limit).map(drop)
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
