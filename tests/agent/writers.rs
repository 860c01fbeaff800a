//! `multivm-agent serve`: who has files open for writing.

use std::os::unix::fs::MetadataExt;

use super::*;

/// A shell that has a file open, once it has.
fn shell(redirection: &str, file: &std::path::Path) -> Process {
    let script = format!("exec {redirection}\"$1\" && echo open && exec sleep 600");
    let mut process = Process(
        Command::new("sh").args(["-c", &script, "sh"]).arg(file).stdout(Stdio::piped()).spawn().unwrap(),
    );
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "open\n");
    process
}

/// The lines of that head, taken apart.
fn lines(answer: &[String], head: &str) -> Vec<Vec<String>> {
    let words = answer.iter().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    words.filter(|words| words[0] == head).collect()
}

#[rstest]
#[case::writes("3>>", true)]
#[case::reads_and_writes("3<>", true)]
#[case::reads("3<", false)]
fn whoever_has_a_file_open_for_writing_is_seen_by_any_of_its_names(
    mut serve: Serve,
    #[case] redirection: &str,
    #[case] writes: bool,
) {
    let folder = folder();
    let (file, link) = (folder.path().join("a b"), folder.path().join("link"));
    fs::write(&file, "image").unwrap();
    fs::hard_link(&file, &link).unwrap();
    let process = shell(redirection, &link);
    let answer = serve.ask(&format!("writers \t{}\t/there/is/no/such/file", file.display()));
    let known = fs::metadata(&file).unwrap();
    let path = ["path", &known.dev().to_string(), &known.ino().to_string(), file.to_str().unwrap()];
    assert_eq!(lines(&answer, "path"), [path]);
    let found = lines(&answer, "file");
    assert_eq!(found.len(), usize::from(writes), "{answer:?}");
    for words in found {
        assert_eq!(words[1], process.0.id().to_string());
        assert_eq!(words[3..6], [known.ino().to_string().as_str(), "here", "-"]);
    }
}

#[rstest]
fn a_file_of_another_file_system_is_not_taken_for_one_of_the_same_number(mut serve: Serve) {
    let folder = folder();
    let file = folder.path().join("image");
    fs::write(&file, "image").unwrap();
    let _process = shell("3>>", &file);
    // On an NFS server this would be its number; here it is not on one.
    let inode = fs::metadata(&file).unwrap().ino();
    let answer = serve.ask(&format!("writers {inode}"));
    assert_eq!(lines(&answer, "file"), [[""; 0]; 0]);
}

#[rstest]
#[case::written_and_shared("+<", 3, 1, true)]
#[case::private("+<", 3, 2, false)]
#[case::read("<", 1, 1, false)]
fn whoever_has_a_file_mapped_is_seen_though_it_is_not_open_any_more(
    mut serve: Serve,
    #[case] mode: &str,
    #[case] used: u32,
    #[case] shared: u32,
    #[case] writes: bool,
) {
    let folder = folder();
    let file = folder.path().join("a b");
    fs::write(&file, "image").unwrap();
    let number = if cfg!(target_arch = "x86_64") { 9 } else { 222 };
    let script = format!(
        "open(F, '{mode}', $ARGV[0]) or die; (syscall({number}, 0, 4096, {used}, {shared}, fileno(F), 0) != -1) or die; \
         close(F); $| = 1; print qq(mapped\\n); sleep 600"
    );
    let mut process = Process(
        Command::new("perl").args(["-e", &script]).arg(&file).stdout(Stdio::piped()).spawn().unwrap(),
    );
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "mapped\n");
    let answer = serve.ask(&format!("writers \t{}", file.display()));
    let inode = fs::metadata(&file).unwrap().ino().to_string();
    let pid = process.0.id().to_string();
    let found = lines(&answer, "file");
    assert_eq!(found.len(), usize::from(writes), "{answer:?}");
    assert!(found.iter().all(|words| words[1] == pid && words[3..6] == [&inode, "here", "-"]), "{found:?}");
}

#[rstest]
fn programs_of_qemu_are_told_by_their_file(mut serve: Serve) {
    let folder = folder();
    let program = folder.path().join("qemu-nbd");
    let sleep =
        String::from_utf8(Command::new("sh").args(["-c", "command -v sleep"]).output().unwrap().stdout);
    fs::copy(sleep.unwrap().trim(), &program).unwrap();
    let process = Process(Command::new(&program).arg("600").spawn().unwrap());
    let words = eventually(|| {
        let found = lines(&serve.ask("writers "), "program");
        found.into_iter().find(|words| words[1] == process.0.id().to_string() && words.len() == 5)
    });
    assert_eq!(words[3..], [program.to_str().unwrap(), "600"]);
}

/// One look takes longer than each of these processes lives, because there are many others.
#[rstest]
fn writers_that_live_for_a_moment_are_seen_beside_many_processes(mut serve: Serve) {
    let folder = folder();
    let file = folder.path().join("image");
    fs::write(&file, "image").unwrap();
    let _others: Vec<Process> =
        (0..300).map(|_| Process(Command::new("sleep").arg("600").spawn().unwrap())).collect();
    let script = "while :; do sh -c 'exec 3<>\"$1\" && exec sleep 0.03' sh \"$1\"; done";
    let _writers = Process(Command::new("sh").args(["-c", script, "sh"]).arg(&file).spawn().unwrap());
    let question = format!("writers \t{}", file.display());
    eventually(|| {
        let seen = (0..10).filter(|_| !lines(&serve.ask(&question), "file").is_empty()).count();
        (seen >= 8).then_some(())
    });
}
