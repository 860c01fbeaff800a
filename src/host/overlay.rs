//! A guest's image and the note beside it that names its owner.
//!
//! The note is a file: `vm1.qcow2.multivm` for `vm1.qcow2`. It exists before the image does and names the image's inode and
//! birth time. A file that somebody puts in the image's place has another inode, or was born later with the inode number
//! that was free again, and does not pass for ours.

use crate::inventory::catalogue::{DiskFormat, DiskKind};
use crate::remote::quote;

/// A guest's image that is to be made, and the image below it, or of which it is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOverlay {
    pub image: String,
    pub base: String,
    /// The format of the image below.
    pub format: DiskFormat,
    pub kind: DiskKind,
}

/// The first word of a note.
const WORD: &str = "multivm";

/// The last line of each answer of a script that copies.
pub const END_OF_ANSWER: &str = "multivm-end";

/// The command of a shell that prints a file's inode and birth time, as a note has them. The time is 0 where it is not known,
/// as over NFS.
const STAT: &str = "stat -c %i:%.9W";

/// In place of an inode: the image does not exist yet.
const BEING_MADE: &str = "new";

/// The name of an image's note.
fn note(image: &str) -> String {
    format!("{image}.multivm")
}

/// A script that prints a line for every image: its inode, its birth time and the first line of its note, where they exist.
pub fn look(export: &str, images: &[String]) -> String {
    let looks = images.iter().map(|image| {
        let note = note(image);
        let (image, note) = (quote(image), quote(&note));
        format!(
            "printf '%s\\t%s\\n' \"$({STAT} {image} 2> /dev/null)\" \
             \"$(if [ -e {note} ] || [ -L {note} ]; then echo note $(head -n 1 {note} 2> /dev/null); fi)\""
        )
    });
    format!("cd {} && {{ {}; }}", quote(export), looks.collect::<Vec<_>>().join("; "))
}

/// A sentence for each image that the answer to [`look`] shows to be somebody else's.
pub fn foreign(answer: &str, images: &[String], owner: &str) -> Vec<String> {
    let mut lines = answer.lines();
    images.iter().filter_map(|image| judge(lines.next().unwrap_or("\tno answer"), image, owner)).collect()
}

/// The damage of each image that was made for `owner`, by the answer to [`look`].
pub fn damaged(answer: &str, images: &[String], owner: &str) -> Vec<Option<String>> {
    let mut lines = answer.lines();
    let damage = |image: &String| {
        let line = lines.next().unwrap_or("\tno answer");
        let gone = line.starts_with('\t').then(|| format!("{image} is not there any more"));
        judge(line, image, owner).or(gone)
    };
    images.iter().map(damage).collect()
}

fn judge(line: &str, image: &str, owner: &str) -> Option<String> {
    let (found, said) = line.split_once('\t').unwrap_or(("", line));
    let note = note(image);
    if said.is_empty() {
        return (!found.is_empty())
            .then(|| format!("{image} was not made by multivm: it has no {note} beside it"));
    }
    let words: Vec<&str> = said.split_whitespace().collect();
    match words[..] {
        ["note", WORD, run, noted] if run == owner => {
            let same = found.is_empty() || noted == BEING_MADE || is_same(noted, found);
            (!same).then(|| format!("{image} is not the file that multivm made: it has taken its place"))
        }
        ["note", WORD, run, _] => Some(format!("{image} is of another run of multivm, {run}")),
        _ => Some(format!("{note} was not written by multivm")),
    }
}

/// Whether a file that was noted is the one that was found. Of a birth time that is not known, the inode decides alone; a
/// note of before has none.
fn is_same(noted: &str, found: &str) -> bool {
    let parts = |text: &str| {
        let (inode, birth) = text.split_once(':').unwrap_or((text, ""));
        let is_known = birth.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
        (inode.to_owned(), is_known.then(|| birth.to_owned()))
    };
    let ((noted, noted_birth), (found, found_birth)) = (parts(noted), parts(found));
    noted == found && noted_birth.zip(found_birth).is_none_or(|(noted, found)| noted == found)
}

/// A script that makes the overlays, each with its note, and as long from the beginning as it can become.
///
/// QEMU's NFS driver asks for a file's length when it opens it and never again (block/nfs.c has no `bdrv_co_getlength`), and what
/// lies behind that length reads as zeros. The QEMU that receives a guest opens the image while the guest still writes to it on the
/// other host: a cluster allocated meanwhile would be lost to the guest until it allocates another one. The length that is added here
/// is a hole and takes no room.
pub fn create(export: &str, overlays: &[&ImageOverlay], owner: &str) -> String {
    let commands = overlays.iter().map(|overlay| {
        let [begin, end] = around(overlay, owner);
        let ImageOverlay { image, base, format, .. } = overlay;
        let (image, base, format) = (quote(image), quote(base), format.name());
        format!("{begin} && qemu-img create -q -f qcow2 -F {format} -b {base} {image} && {end}")
    });
    let commands: Vec<String> = commands.collect();
    format!("cd {} && {}", quote(export), commands.join(" && "))
}

/// A script that makes one image, as [`create`] does, as a whole copy of the one below it. It answers each line on its standard
/// input by how far the copy is, in lines of which [`END_OF_ANSWER`] is the last, and the copy ends with its standard input.
///
/// The answer is `copied`, the bytes that are there, and the bytes that the copy takes; or `whole`; or `failed`, and what went wrong.
pub fn copy(export: &str, overlay: &ImageOverlay, owner: &str) -> String {
    let [begin, end] = around(overlay, owner);
    let ImageOverlay { image, base, format, .. } = overlay;
    let (export, image, base, format) = (quote(export), quote(image), quote(base), format.name());
    format!(
        "said=$(mktemp) || exit 1\n\
         copy=\n\
         trap '[ -z \"$copy\" ] || kill \"$copy\" 2> /dev/null; rm -f \"$said\"' EXIT\n\
         trap 'exit 1' HUP INT TERM PIPE\n\
         runs() {{ [ -n \"$copy\" ] && case $(sed 's/.*) //' \"/proc/$copy/stat\" 2> /dev/null) in ''|[ZX]*) false ;; esac; }}\n\
         {{ cd {export} && {begin}; }} 2> \"$said\" && \
         {{ qemu-img convert -q -f {format} -O qcow2 {base} {image} >> \"$said\" 2>&1 & copy=$!; }}\n\
         while read -r question; do\n\
         for pause in 0.1 0.2 0.4; do runs || break; sleep $pause; done\n\
         if runs; then\n\
         echo copied $(($(stat -c %b {image} 2> /dev/null || echo 0) * 512)) \
         \"$(printf '%s\\n' \"$measured\" | sed -n 's/^required size: //p')\"\n\
         elif [ -n \"$copy\" ] && wait \"$copy\" && {{ {end}; }} 2>> \"$said\"; then copy=; echo whole\n\
         else copy=; echo failed; cat \"$said\"\n\
         fi\n\
         echo {END_OF_ANSWER}\n\
         done"
    )
}

/// The commands before an image is made, and after it.
fn around(overlay: &ImageOverlay, owner: &str) -> [String; 2] {
    let ImageOverlay { image, base, format, .. } = overlay;
    let note = note(image);
    let (image, note, base, format) = (quote(image), quote(&note), quote(base), format.name());
    let mark = format!("{WORD} {owner} ");
    let mark = quote(&mark);
    let begin = format!(
        "measured=$(qemu-img measure -f {format} -O qcow2 {base}) && \
         length=$(printf '%s\\n' \"$measured\" | sed -n 's/^fully allocated size: //p') && test -n \"$length\" && \
         printf '%s%s\\n' {mark} {BEING_MADE} > {note}"
    );
    let end =
        format!("truncate -s \"$length\" {image} && printf '%s%s\\n' {mark} \"$({STAT} {image})\" > {note}");
    [begin, end]
}

/// A script that writes its input into a file with a note.
pub fn put(export: &str, file: &str, owner: &str) -> String {
    let note = note(file);
    let (file, note) = (quote(file), quote(&note));
    let mark = format!("{WORD} {owner} ");
    let mark = quote(&mark);
    format!(
        "cd {} && printf '%s%s\\n' {mark} {BEING_MADE} > {note} && umask 077 && rm -f {file} && cat > {file} && \
         printf '%s%s\\n' {mark} \"$({STAT} {file})\" > {note}",
        quote(export)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::sys::process::runs_with;
    use crate::sys::stop::StopFlag;
    use crate::sys::wait::{Poll, wait_for};

    /// What the base image would take if a guest wrote all of it.
    const LENGTH: u64 = 7 << 20;

    const OWNER: &str = "0d0e1c1f-5c3e-4b5e-9d43-7c1f2a3b4c5d";

    fn images() -> Vec<String> {
        vec!["vm1.qcow2".into(), "it's.qcow2".into()]
    }

    /// Runs a script in a shell in which a function takes the place of each `qemu-img`: notes and lengths are what is tried here.
    fn run(script: &str) -> String {
        let script = script.replace("qemu-img create", "create").replace("qemu-img measure", "measure");
        let script = format!(
            "create() {{ for last; do :; done; echo image > \"$last\"; }}; \
             measure() {{ echo required size: 6; echo fully allocated size: {LENGTH}; }}; {script}"
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn found(export: &Path, owner: &str) -> Vec<String> {
        foreign(&run(&look(export.to_str().unwrap(), &images())), &images(), owner)
    }

    fn overlay(image: String, kind: DiskKind) -> ImageOverlay {
        ImageOverlay { image, base: "base.qcow2".into(), format: DiskFormat::Qcow2, kind }
    }

    fn make(export: &Path) {
        let overlays: Vec<_> = images().into_iter().map(|image| overlay(image, DiskKind::Overlay)).collect();
        let overlays: Vec<&ImageOverlay> = overlays.iter().collect();
        run(&create(&export.display().to_string(), &overlays, OWNER));
    }

    /// A copy that goes on, with a function in the place of `qemu-img convert`.
    struct TestCopy {
        shell: Child,
        input: Option<ChildStdin>,
        output: BufReader<ChildStdout>,
    }

    impl TestCopy {
        fn begin(export: &Path, convert: &str) -> TestCopy {
            let script =
                copy(&export.display().to_string(), &overlay("it's.qcow2".into(), DiskKind::Copy), OWNER)
                    .replace("qemu-img convert", "convert")
                    .replace("qemu-img measure", "measure");
            let script = format!(
                "convert() {{ for last; do :; done; {convert}; }}; \
                 measure() {{ echo required size: 6; echo fully allocated size: {LENGTH}; }}; {script}"
            );
            let mut shell = Command::new("sh")
                .args(["-c", &script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (input, output) = (shell.stdin.take(), BufReader::new(shell.stdout.take().unwrap()));
            TestCopy { shell, input, output }
        }

        fn ask(&mut self) -> Vec<String> {
            self.input.as_mut().unwrap().write_all(b"how far\n").unwrap();
            self.output
                .by_ref()
                .lines()
                .map(Result::unwrap)
                .take_while(|line| line != END_OF_ANSWER)
                .collect()
        }

        /// Asks until the copy is over.
        fn end(&mut self) -> Vec<String> {
            std::iter::repeat_with(|| self.ask()).find(|answer| !answer[0].starts_with("copied")).unwrap()
        }
    }

    #[test]
    fn a_copy_says_how_far_it_is_and_is_ours_when_it_is_whole() {
        let export = tempfile::tempdir().unwrap();
        let gate = export.path().join("gate");
        let waits = format!("until [ -e {} ]; do sleep 0.05; done; echo image > \"$last\"", gate.display());
        let mut copy = TestCopy::begin(export.path(), &waits);
        assert_eq!(copy.ask(), ["copied 0 6"]);
        assert!(found(export.path(), OWNER).is_empty(), "it is being made");
        fs::write(gate, "").unwrap();
        assert_eq!(copy.end(), ["whole"]);
        let image = export.path().join("it's.qcow2");
        assert_eq!(fs::metadata(&image).unwrap().len(), LENGTH);
        assert!(found(export.path(), OWNER).is_empty());
        assert_eq!(found(export.path(), "another").len(), 1);
        copy.input = None;
        assert!(copy.shell.wait().unwrap().success());
        assert!(image.exists());
    }

    #[test]
    fn a_copy_that_fails_says_why() {
        let export = tempfile::tempdir().unwrap();
        let mut copy = TestCopy::begin(export.path(), "echo No space left >&2; exit 3");
        assert_eq!(copy.end(), ["failed", "No space left"]);
        let nowhere = export.path().join("nowhere");
        let mut copy = TestCopy::begin(&nowhere, "true");
        let said = copy.end();
        assert!(said[0] == "failed" && said[1].contains("nowhere"), "{said:?}");
    }

    #[test]
    fn a_copy_ends_with_whoever_asks_for_it() {
        let export = tempfile::tempdir().unwrap();
        let mut copy = TestCopy::begin(export.path(), "exec sleep 617.75");
        assert_eq!(copy.ask(), ["copied 0 6"]);
        copy.input = None;
        copy.shell.wait().unwrap();
        let words = ["617.75".to_owned()];
        let gone = || if runs_with(&words) { Poll::NotYet("it runs".into()) } else { Poll::Ready(()) };
        wait_for("the copy to be gone", Duration::from_secs(60), &StopFlag::new(), gone).unwrap();
    }

    #[test]
    fn an_empty_export_has_nothing_in_the_way() {
        let export = tempfile::tempdir().unwrap();
        assert!(found(export.path(), OWNER).is_empty());
    }

    #[test]
    fn an_image_is_as_long_as_it_can_become() {
        let export = tempfile::tempdir().unwrap();
        make(export.path());
        for image in images() {
            assert_eq!(fs::metadata(export.path().join(image)).unwrap().len(), LENGTH);
        }
    }

    #[test]
    fn what_was_made_is_ours_and_nobody_elses() {
        let export = tempfile::tempdir().unwrap();
        make(export.path());
        assert!(found(export.path(), OWNER).is_empty());
        let found = found(export.path(), "another");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], format!("vm1.qcow2 is of another run of multivm, {OWNER}"));
        // And again over it.
        make(export.path());
    }

    #[test]
    fn a_file_beside_the_images_is_ours_and_its_owners_alone() {
        let export = tempfile::tempdir().unwrap();
        let (folder, seed) = (export.path().to_str().unwrap(), "vm1's-seed.iso".to_owned());
        for content in ["first", "again"] {
            let script = format!("echo {content} | {{ {}; }}", put(folder, &seed, OWNER));
            run(&script);
            assert_eq!(fs::read_to_string(export.path().join(&seed)).unwrap(), format!("{content}\n"));
        }
        assert_eq!(fs::metadata(export.path().join(&seed)).unwrap().permissions().mode() & 0o777, 0o600);
        let look = run(&look(folder, std::slice::from_ref(&seed)));
        assert!(foreign(&look, std::slice::from_ref(&seed), OWNER).is_empty());
        assert_eq!(foreign(&look, &[seed], "another").len(), 1);
    }

    #[test]
    fn an_image_that_is_gone_or_another_file_is_damage() {
        let export = tempfile::tempdir().unwrap();
        make(export.path());
        let damage = || damaged(&run(&look(export.path().to_str().unwrap(), &images())), &images(), OWNER);
        assert_eq!(damage(), [None, None]);
        fs::remove_file(export.path().join("vm1.qcow2")).unwrap();
        assert_eq!(damage(), [Some("vm1.qcow2 is not there any more".to_owned()), None]);
        fs::write(export.path().join("other"), "another inode").unwrap();
        fs::rename(export.path().join("other"), export.path().join("it's.qcow2")).unwrap();
        assert!(damage()[1].as_ref().is_some_and(|why| why.contains("has taken its place")));
    }

    #[test]
    fn a_file_without_a_note_is_foreign_whatever_it_is() {
        let export = tempfile::tempdir().unwrap();
        fs::write(export.path().join("vm1.qcow2"), "precious").unwrap();
        assert_eq!(
            found(export.path(), OWNER),
            ["vm1.qcow2 was not made by multivm: it has no vm1.qcow2.multivm beside it"]
        );
        fs::remove_file(export.path().join("vm1.qcow2")).unwrap();
        symlink("/nowhere", export.path().join("vm1.qcow2")).unwrap();
        assert_eq!(found(export.path(), OWNER).len(), 1);
    }

    #[test]
    fn a_file_in_the_place_of_ours_is_foreign() {
        let export = tempfile::tempdir().unwrap();
        make(export.path());
        fs::write(export.path().join("mine"), "precious").unwrap();
        fs::rename(export.path().join("mine"), export.path().join("vm1.qcow2")).unwrap();
        assert_eq!(
            found(export.path(), OWNER),
            ["vm1.qcow2 is not the file that multivm made: it has taken its place"]
        );
    }

    /// File systems give the next file the inode number of the one that was removed.
    #[test]
    fn a_file_that_has_the_inode_number_of_ours_is_foreign_by_its_birth() {
        let at = |file: &str| format!("{file}\tnote multivm {OWNER} 7:1700000000.250000000");
        let judged = |file: &str| foreign(&at(file), &["vm1.qcow2".to_owned()], OWNER);
        assert!(judged("7:1700000000.250000000").is_empty());
        for other in ["7:1700000000.258000000", "8:1700000000.250000000", "8:0.000000000"] {
            assert_eq!(
                judged(other),
                ["vm1.qcow2 is not the file that multivm made: it has taken its place"]
            );
        }
        // Not known here, or not when the note was written.
        assert!(judged("7:0.000000000").is_empty());
        for noted in ["7", "7:0.000000000"] {
            let line = format!("7:1700000000.250000000\tnote multivm {OWNER} {noted}");
            assert!(foreign(&line, &images()[..1], OWNER).is_empty(), "{noted}");
        }
    }

    #[test]
    fn a_note_has_the_inode_and_the_birth_time_where_it_is_known() {
        let export = tempfile::tempdir().unwrap();
        make(export.path());
        let image = fs::metadata(export.path().join("vm1.qcow2")).unwrap();
        let since_epoch = |born: SystemTime| born.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let born = image.created().map_or(Duration::ZERO, since_epoch);
        let expected =
            format!("multivm {OWNER} {}:{}.{:09}\n", image.ino(), born.as_secs(), born.subsec_nanos());
        assert_eq!(fs::read_to_string(export.path().join("vm1.qcow2.multivm")).unwrap(), expected);
    }

    #[test]
    fn one_that_was_being_made_when_its_run_was_killed_is_made_again() {
        let export = tempfile::tempdir().unwrap();
        fs::write(export.path().join("vm1.qcow2.multivm"), format!("multivm {OWNER} new\n")).unwrap();
        assert!(found(export.path(), OWNER).is_empty());
        fs::write(export.path().join("vm1.qcow2"), "half").unwrap();
        assert!(found(export.path(), OWNER).is_empty());
    }

    #[test]
    fn a_note_that_multivm_did_not_write_is_in_the_way_too() {
        let export = tempfile::tempdir().unwrap();
        let note = export.path().join("vm1.qcow2.multivm");
        let not_ours = ["vm1.qcow2.multivm was not written by multivm"];
        for text in ["my own words\n", "\n", "", "multivm\n"] {
            fs::write(&note, text).unwrap();
            assert_eq!(found(export.path(), OWNER), not_ours, "{text:?}");
        }
        fs::remove_file(&note).unwrap();
        fs::create_dir(&note).unwrap();
        assert_eq!(found(export.path(), OWNER), not_ours);
    }

    #[test]
    fn an_answer_that_is_cut_off_is_no_permission() {
        assert_eq!(foreign("", &images(), OWNER).len(), 2);
        assert_eq!(foreign("\t\n", &images(), OWNER).len(), 1);
    }
}
