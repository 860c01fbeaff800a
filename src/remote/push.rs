//! Copies a program of ours to another machine.

use std::time::Duration;

use super::{Remote, quote};
use crate::failure::Result;

/// Where programs may run if they may not run in the directory that is wanted.
const ELSEWHERE: [&str; 3] = ["/var/lib", "/usr/local/lib", "/root"];

/// The paths of a directory for programs: the one that is wanted, and those where it may be in its place.
pub fn program_directories(directory: &str) -> Vec<String> {
    let name = directory.rsplit_once('/').map_or(directory, |(_, name)| name);
    let elsewhere = ELSEWHERE.iter().map(|place| format!("{place}/{name}"));
    [directory.to_owned()].into_iter().chain(elsewhere).collect()
}

/// The shell command that removes `$one`, a directory for programs or a link to one, if the directory has multivm's mark. A
/// link of somebody else may lead anywhere, and stays.
pub const REMOVE_PROGRAMS: &str = r#"{ [ ! -e "$one/.multivm" ] || rm -rf "$one"; }"#;

/// Paths as words of a shell command.
fn words(paths: &[String]) -> String {
    paths.iter().map(|path| quote(path)).collect::<Vec<_>>().join(" ")
}

impl Remote {
    /// Whether a program of that path exists.
    pub fn has_program(&self, path: &str, limit: Duration) -> Result<bool> {
        Ok(self.run(&format!("test -x {}", quote(path)), limit)?.status == 0)
    }

    /// Makes a directory in which programs can run, with multivm's mark. Where its file system lets none run, as Debian's
    /// `/run` does, it becomes a link to one of the same name elsewhere.
    pub fn make_program_directory(&self, directory: &str, limit: Duration) -> Result<()> {
        let places = words(&program_directories(directory));
        let directory = quote(directory);
        // test -x says no of a file on a file system that is mounted with noexec (access(2), EACCES).
        let script = format!(
            "[ ! -d {directory} ] || exit 0\nfor own in {places}; do\n\
             try=${{own%/*}}/.multivm-try.$$\n\
             (: > \"$try\") 2> /dev/null && chmod 755 \"$try\" || continue\n\
             if [ -x \"$try\" ]; then rm -f \"$try\"\n\
             mkdir \"$own\" 2> /dev/null && : > \"$own/.multivm\" || [ -d \"$own\" ] || exit 1\n\
             [ \"$own\" = {directory} ] || ln -s \"$own\" {directory} 2> /dev/null || [ -d {directory} ]; exit\nfi\n\
             rm -f \"$try\"\ndone\necho 'no file system lets a program of ours run' >&2\nexit 1"
        );
        self.check(&script, limit).map(drop)
    }

    /// Removes a directory for programs, wherever [`make_program_directory`](Remote::make_program_directory) has made it,
    /// and leaves alone what somebody else has put there.
    pub fn remove_program_directory(&self, directory: &str, limit: Duration) -> Result<()> {
        let places = words(&program_directories(directory));
        self.check(&format!("for one in {places}; do {REMOVE_PROGRAMS} || exit 1; done"), limit).map(drop)
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
