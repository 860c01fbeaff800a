//! `multivm-agent serve`: questions and answers.

use super::*;

/// As the C library tells it.
fn page_size() -> u64 {
    let output = Command::new("getconf").arg("PAGESIZE").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn pid(stat: &str) -> u32 {
    stat.split(' ').next().unwrap().parse().unwrap()
}

#[rstest]
fn the_guest_is_observed(mut serve: Serve) {
    let answer = serve.ask("observe 0");
    assert_eq!(answer[0], fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
    assert!(answer[1].split(' ').all(|number| number.parse::<f64>().unwrap() > 0.0), "{}", answer[1]);
    let realtime = answer[2].split_once('.').unwrap();
    assert!(realtime.0.parse::<u64>().unwrap() > 1_700_000_000 && realtime.1.len() == 6, "{realtime:?}");

    let memory = answer.iter().position(|line| line.starts_with("multivm-memory ")).unwrap();
    let sizes: Vec<u64> = answer[memory].split(' ').skip(1).map(|size| size.parse().unwrap()).collect();
    assert!(sizes.len() == 3 && sizes[0] > sizes[1] && sizes[1] > 1 << 20, "{sizes:?}");
    assert_eq!(sizes[2], page_size());
    let log = answer.iter().position(|line| line == "multivm-kernel-log").unwrap();
    let is_mount =
        |line: &&String| line.starts_with("multivm-mount rw\t") || line.starts_with("multivm-mount ro\t");
    let mounts: Vec<&String> = answer[memory + 1..log].iter().collect();
    assert!(mounts.iter().all(is_mount), "{mounts:?}");

    let processes = &answer[3..memory];
    assert!(processes.iter().any(|stat| pid(stat) == std::process::id()));
    for stat in processes {
        assert!(pid(stat) != 2 && fields(stat)[1] != "2", "a kernel thread: {stat}");
        assert_ne!(pid(stat), serve.process.0.id(), "itself: {stat}");
    }
}

#[rstest]
fn processes_of_a_group(mut serve: Serve) {
    let child = Process(Command::new("sleep").arg("600").process_group(0).spawn().unwrap());
    let group = child.0.id();
    // It is in the group before it is `sleep`.
    let line = eventually(|| {
        let answer = serve.ask(&format!("processes {group} 999999999"));
        assert_eq!((answer.len(), &*answer[0]), (2, &*format!("multivm-page {}", page_size())), "{answer:?}");
        answer[1].contains("(sleep)").then(|| answer[1].clone())
    });
    assert_eq!((pid(&line), fields(&line)[2]), (group, group.to_string().as_str()));
    assert_eq!(serve.ask("processes 999999999").len(), 1);
}

#[rstest]
fn cpu_time_of_all_processes(mut serve: Serve) {
    let mut ticks = || -> u64 { serve.ask("cpu")[0].strip_prefix("ticks ").unwrap().parse().unwrap() };
    let before = ticks();
    eventually(|| (ticks() > before).then_some(()));
}

#[rstest]
fn a_load_is_started_and_ended_with_its_workers(mut serve: Serve) {
    let folder = folder();
    let log = folder.path().join("log");
    let script = "echo $MARK; sleep 60 & sleep 60; :";
    let answer = serve.ask(&format!("start MARK=x y\t{}\tsh\t-c\t{script}", log.display()));
    let group = answer[0].strip_prefix("pid ").unwrap();
    eventually(|| (serve.ask(&format!("processes {group}")).len() == 4).then_some(()));
    assert_eq!(fs::read_to_string(&log).unwrap(), "x y\n");
    assert_eq!(serve.ask(&format!("kill {group}")), ["ok"]);
    // Also its own end is taken note of: no zombie stays.
    eventually(|| (serve.ask(&format!("processes {group}")).len() == 1).then_some(()));
    assert_eq!(serve.ask(&format!("kill {group}")), ["ok"]);
}

#[rstest]
fn a_load_that_cannot_be_started_says_why(mut serve: Serve) {
    let answer = serve.ask("start MARK=1\t/dev/null\t/there/is/no/such/program");
    assert!(answer[0].starts_with("cannot start /there/is/no/such/program: "), "{answer:?}");
}

/// Nobody listens any more where a listener has just been closed.
#[rstest]
fn somebody_who_takes_or_refuses_a_connection_is_there(mut serve: Serve) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let question = format!("connect {} 5000", listener.local_addr().unwrap());
    assert_eq!(serve.ask(&question), ["ok"]);
    drop(listener);
    assert_eq!(serve.ask(&question), ["ok"]);
    // No machine has this address (RFC 919): the kernel itself takes no connection to it.
    let answer = serve.ask("connect 255.255.255.255:9 5000");
    assert!(answer[0].starts_with("cannot connect to 255.255.255.255:9: "), "{answer:?}");
}

#[rstest]
fn no_witness(mut serve: Serve) {
    let answer = serve.ask("witness prove 1");
    assert!(answer.len() == 1 && answer[0].starts_with("no witness: "), "{answer:?}");
}

#[rstest]
#[case("dance")]
#[case("observe")]
#[case("observe all")]
#[case("processes sshd")]
#[case("start MARK=1")]
#[case("connect nowhere 300")]
#[case("witness dance")]
fn an_unknown_question_is_answered(mut serve: Serve, #[case] question: &str) {
    assert_eq!(serve.ask(question), [format!("unknown question: {question}")]);
    assert_eq!(serve.ask("processes").len(), 1);
}

#[rstest]
#[case(&[])]
#[case(&["dirty", "1", "100"])]
#[case(&["witness", "1"])]
#[case(&["witness", "0", "file"])]
fn wrong_usage(#[case] arguments: &[&str]) {
    let output = run(arguments, &socket());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("multivm-agent: usage: "), "{error}");
}

#[rstest]
fn new_lines_with_the_words_are_found(mut serve: Serve) {
    let folder = folder();
    let path = folder.path().join("console");
    let mut find = |from: u64| serve.ask(&format!("find panic\t{from}\t{}\t0\t/nowhere", path.display()));
    fs::write(&path, "a panic\r\nnothing\nmore pan").unwrap();
    assert_eq!(
        find(0),
        ["file 17", " a panic", "file 0"],
        "a line that is not whole comes with the next look"
    );
    assert_eq!(find(u64::MAX), ["file 25", "file 0"]);
    fs::write(&path, "a panic\r\nnothing\nmore panic\n").unwrap();
    assert_eq!(find(17), ["file 28", " more panic", "file 0"]);
    assert_eq!(find(28), ["file 28", "file 0"]);
    fs::write(&path, "another panic\n").unwrap();
    assert_eq!(find(28), ["file 14", " another panic", "file 0"], "a file that shrank was made anew");
}

#[rstest]
fn files_are_listed_with_their_lengths(mut serve: Serve) {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("below")).unwrap();
    fs::write(at("below/file"), "seven b").unwrap();
    std::os::unix::fs::symlink("below/file", at("link")).unwrap();
    let answer = serve.ask(&format!("traces {}", folder.path().display()));
    let mut files: Vec<&String> = answer.iter().filter(|line| line.starts_with("file\t")).collect();
    files.sort();
    let line = |bytes: &str, name: &str| format!("file\t{bytes}\t{}", at(name).display());
    let expected = [line("-", "below/"), line("-", "link"), line("7", "below/file")];
    assert_eq!(files, expected.iter().collect::<Vec<_>>());
}
