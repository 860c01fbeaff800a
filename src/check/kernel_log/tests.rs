use std::slice::from_ref;

use rstest::rstest;

use super::*;

/// Log lines with the sequence numbers from `first` on, from the agents' form: "<LEVEL> TEXT".
fn log(first: u64, text: &str) -> Vec<KernelLine> {
    let line = |(sequence, line): (u64, &str)| {
        let (level, text) = line.trim_start().strip_prefix('<').unwrap().split_once("> ").unwrap();
        let time_s = sequence as f64 / 1e3;
        let priority: u8 = level.parse().unwrap();
        KernelLine {
            facility: priority >> 3,
            level: priority & 7,
            sequence,
            time_s,
            text: text.trim().into(),
        }
    };
    (first..).zip(text.lines().filter(|line| !line.trim().is_empty())).map(line).collect()
}

fn host_log() -> HostLog {
    HostLog::new(&["source", "target"], &["stress"], vec!["source".into(), "target".into()])
}

/// The lines of kernel 6.12 about a cgroup that runs out of memory: `asks` is who asks for memory, `killed` is the victim.
fn oom(first: u64, asks: &str, killed: &str) -> Vec<KernelLine> {
    let text = format!(
        "<4> {asks} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
         <4> CPU: 1 UID: 0 PID: 4242 Comm: {asks} Not tainted 6.12.43+deb13-amd64 #1  Debian 6.12.43-1
         <4> Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3-debian-1.16.3-2 04/01/2014
         <4> Call Trace:
         <4>  <TASK>
         <4>  dump_stack_lvl+0x5d/0x80
         <4>  dump_header+0x43/0x1a0
         <4>  oom_kill_process.cold+0xa/0xab
         <4>  mem_cgroup_out_of_memory+0x12f/0x150
         <4>  asm_exc_page_fault+0x26/0x30
         <4> RIP: 0033:0x55d0d2c0f3b1
         <4>  </TASK>
         <6> memory: usage 2097152kB, limit 2097152kB, failcnt 8123
         <6> swap: usage 0kB, limit 9007199254740988kB, failcnt 0
         <6> Memory cgroup stats for /source:
         <6> anon 2130706432\\x0afile 0\\x0akernel 16777216
         <6> Tasks state (memory values in pages):
         <6> [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
         <6> [   4001]     0  4001   812345   262144   250000    12144         0  2621440        0             0 qemu-system-x86
         <6> [   4242]     0  4242   263067   261925   261861       64         0  2162688        0             0 stress
         <6> oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/source,task_memcg=/source,task={killed},pid=4242,uid=0
         <3> Memory cgroup out of memory: Killed process 4242 ({killed}) total-vm:1052268kB, anon-rss:1047444kB, file-rss:256kB, shmem-rss:0kB, UID:0 pgtables:2112kB oom_score_adj:0
         <6> oom_reaper: reaped process 4242 ({killed}), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB"
    );
    log(first, &text)
}

#[rstest]
#[case::panic("panic", "<0> Kernel panic - not syncing: Fatal exception in interrupt")]
#[case::soft("lockup", "<0> watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [stress:812]")]
#[case::old_soft("lockup", "<0> NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [kworker/0:1:9]")]
#[case::hard("lockup", "<0> watchdog: Watchdog detected hard LOCKUP on cpu 3")]
#[case::workqueue("lockup", "<0> BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 38s!")]
#[case::own_stall("rcu stall", "<3> rcu: INFO: rcu_preempt self-detected stall on CPU")]
#[case::old_own_stall("rcu stall", "<3> INFO: rcu_sched self-detected stall on CPU { 1}  (t=5250 jiffies)")]
#[case::stall("rcu stall", "<3> rcu: INFO: rcu_sched detected stalls on CPUs/tasks:")]
#[case::expedited(
    "rcu stall",
    "<3> rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D }"
)]
#[case::tasks_stall("rcu stall", "<3> INFO: rcu_tasks detected stalls on tasks:")]
#[case::starved("rcu stall", "<3> rcu: rcu_preempt kthread starved for 5222 jiffies! g915057 f0x0 ->cpu=0")]
#[case::no_timer("rcu stall", "<3> rcu: rcu_preempt kthread timer wakeup didn't happen for 5216 jiffies! g9")]
#[case::hung("hung task", "<3> INFO: task jbd2/vda-8:154 blocked for more than 120 seconds.")]
#[case::hung_in_io(
    "hung task",
    "<3> INFO: task qemu-system-x86:374 blocked in I/O wait for more than 122 seconds."
)]
#[case::hung_on(
    "hung task",
    "<3> INFO: task qemu-system-x86:374 is blocked on a mutex likely owned by task sync:1."
)]
#[case::oops("oops", "<4> Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI")]
#[case::opcode("oops", "<4> invalid opcode: 0000 [#1] SMP PTI")]
#[case::page_fault("oops", "<1> BUG: unable to handle page fault for address: ffffc90000a37000")]
#[case::old_fault("oops", "<1> BUG: unable to handle kernel paging request at ffff8800deadbeef")]
#[case::null("oops", "<1> BUG: kernel NULL pointer dereference, address: 0000000000000010")]
#[case::protection(
    "oops",
    "<4> general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] SMP"
)]
#[case::double_fault("oops", "<0> traps: PANIC: double fault, error_code: 0x0")]
#[case::kasan("memory corruption", "<3> BUG: KASAN: slab-use-after-free in ext4_find_extent+0x6a5/0x7b0")]
#[case::bad_page("memory corruption", "<1> BUG: Bad page state in process stress  pfn:1a2b3")]
#[case::bad_map("memory corruption", "<1> BUG: Bad page map in process stress  pte:80000001 pmd:12345067")]
#[case::slub("memory corruption", "<3> BUG kmalloc-64 (Not tainted): Poison overwritten")]
#[case::swap("memory corruption", "<3> get_swap_device: Bad swap file entry 3ffffffffffff")]
#[case::pmd("memory corruption", "<3> mm/pgtable-generic.c:50: bad pmd 00000000a1b2c3d4(8000000012345067)")]
#[case::list(
    "memory corruption",
    "<4> list_add corruption. prev->next should be next (ffff8880), but was ffff8881."
)]
#[case::refcount("memory corruption", "<4> refcount_t: underflow; use-after-free.")]
#[case::mce("machine check", "<0> mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: be00000000800400")]
#[case::poison("machine check", "<3> Memory failure: 0x1a2b3: recovery action for dirty LRU page: Recovered")]
#[case::atomic("bug", "<3> BUG: scheduling while atomic: stress/159/0x00010001")]
#[case::bug_at("bug", "<2> kernel BUG at mm/slub.c:553!")]
#[case::ubsan("bug", "<3> UBSAN: array-index-out-of-bounds in drivers/net/tun.c:1204:12")]
#[case::warn("warning", "<4> WARNING: CPU: 0 PID: 9 at kernel/time/timer.c:1022 run_timer+0x1/0x2")]
#[case::new_warn("warning", "<4> WARNING: kernel/time/timer.c:1022 at run_timer+0x1/0x2, CPU#0: kworker/9")]
#[case::lockdep("warning", "<4> WARNING: possible circular locking dependency detected")]
#[case::trace("call trace", "<4> Call Trace:")]
#[case::allocation("allocation failure", "<4> ksoftirqd/0: page allocation failure: order:0, mode:0x8c0")]
#[case::block(
    "I/O error",
    "<3> I/O error, dev vda, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2"
)]
#[case::old_block("I/O error", "<3> blk_update_request: I/O error, dev vda, sector 2048 op 0x0:(READ)")]
#[case::medium("I/O error", "<3> critical medium error, dev sda, sector 2048 op 0x0:(READ) flags 0x80700")]
#[case::full("I/O error", "<3> critical space allocation error, dev vda, sector 2048 op 0x1:(WRITE)")]
#[case::buffer("I/O error", "<3> Buffer I/O error on dev vda, logical block 0, lost async page write")]
#[case::ext4("I/O error", "<2> EXT4-fs error (device vda): ext4_lookup:1855: inode #2: comm ls: iget: bad")]
#[case::ext4_mount("I/O error", "<3> EXT4-fs (vda): I/O error while writing superblock")]
#[case::ext4_count("I/O error", "<5> EXT4-fs (vda): error count since last fsck: 3")]
#[case::journal("I/O error", "<3> Aborting journal on device vda-8.")]
#[case::xfs("I/O error", "<1> XFS (vda1): Metadata corruption detected at xfs_agf_read_verify+0x1/0x2")]
#[case::xfs_log("I/O error", "<1> XFS (vda1): log I/O error -5")]
#[case::btrfs("I/O error", "<3> BTRFS error (device vda1): bdev /dev/vda1 errs: wr 1, rd 0, flush 0")]
#[case::btrfs_sum(
    "I/O error",
    "<4> BTRFS warning (device vda1): csum failed root 5 ino 257 off 0 csum 0x98f94189"
)]
#[case::severe("severe", "<2> anything at all")]
#[case::guest_dies(
    "process crash",
    "<6> qemu-system-x86[812]: segfault at 0 ip 000055d0 sp 00007ffc error 4"
)]
#[case::vcpu_dies("process crash", "<6> CPU 0/TCG[812]: segfault at 7f01 ip 00007f01 sp 00007f02 error 6")]
#[case::libvirt_dies(
    "process crash",
    "<6> traps: rpc-libvirtd[9] general protection fault ip:7f01 sp:7f02 error:0 in libvirt.so.0[7f01+1]"
)]
fn trouble_has_a_class_in_guests_and_on_hosts(#[case] class: &str, #[case] line: &str) {
    let lines = log(1, line);
    for proof in [guest(&lines, &[]), host_log().prove(&lines, &[])] {
        assert!(!proof.ok, "{proof:?}");
        let text = &lines[0].text;
        assert_eq!(
            proof.seen,
            format!("1 line of trouble ({class}):\n<{}>[0.001000] {text}", lines[0].level)
        );
    }
}

#[test]
fn a_boot_is_no_trouble() {
    let lines = log(
        0,
        "<5> Linux version 6.12.43+deb13-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC
         <6> Command line: BOOT_IMAGE=/vmlinuz panic=1 oops=panic softlockup_panic=1 debug
         <3> [Firmware Bug]: TSC ADJUST: CPU0: -1234 force to 0
         <4> [Firmware Warn]: GHES: Poll interval is 0 for generic hardware error source: 1, disabled.
         <6> ACPI: PCI: Using host bridge windows from ACPI; if necessary, use \"pci=nocrs\" and report a bug
         <6> DMAR: x2apic is disabled because BIOS sets x2apic opt out bit.
         <3> Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible
         <6> mce: CPU0: Thermal monitoring enabled (TM1)
         <6> mce: CPU supports 10 MCE banks
         <6> x86/mm: Checked W+X mappings: passed, no W+X pages found.
         <6> rcu: 	RCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).
         <6> rcu: Hierarchical SRCU implementation.
         <6> NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.
         <6> NMI watchdog: Perf NMI watchdog permanently disabled
         <6> kasan: KernelAddressSanitizer initialized
         <6> pstore: Registered ramoops as persistent store backend
         <4> clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because the skew is too large:
         <4> tsc: Marking TSC unstable due to clocksource watchdog
         <6> TSC found unstable after boot, most likely due to broken BIOS. Use 'tsc=unstable'.
         <6> perf: interrupt took too long (2513 > 2500), lowering kernel.perf_event_max_sample_rate to 79500
         <4> hrtimer: interrupt took 3021340 ns
         <6> EXT4-fs (vda1): mounted filesystem with ordered data mode. Opts: errors=remount-ro. Quota mode: none.
         <6> EXT4-fs (vda1): recovery complete
         <5> SGI XFS with ACLs, security attributes, realtime, quota, no debug enabled
         <5> XFS (vda2): Ending clean mount
         <6> BTRFS info (device vda3): using crc32c (crc32c-intel) checksum algorithm
         <3> operation not supported error, dev loop0, sector 4328 op 0x9:(WRITE_ZEROES) flags 0x8000800
         <7> drm: DEBUG: plane 31
         <6> br0: port 2(vnet0) entered blocking state
         <4> kvm: SMP vm created on host with unstable TSC; guest TSC will not be reliable
         <6> systemd[1]: Finished systemd-oomd.service - Userspace Out-Of-Memory (OOM) Killer.",
    );
    for proof in [guest(&lines, &[]), host_log().prove(&lines, &[])] {
        assert_eq!((proof.ok, proof.seen.as_str()), (true, "none"));
    }
}

#[test]
fn a_crash_of_what_is_not_ours_is_trouble_in_guests_only() {
    let lines = log(
        1,
        "<6> cc1plus[812]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in cc1plus[55d0+1]
         <6> virt-viewer[813]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in virt-viewer[55d0+1]
         <6> traps: node[9] trap invalid opcode ip:7f01 sp:7f02 error:0 in node[7f01+1]",
    );
    assert!(host_log().prove(&lines, &[]).ok);
    assert!(guest(&lines, &[]).seen.starts_with("3 lines of trouble (process crash):\n"));
}

/// What befalls one process, as kernel 6.12 tells it.
#[rstest]
#[case::stranger("backup", true)]
#[case::stranger_with_a_colon("nginx: worker", true)]
#[case::stranger_that_shows_guests("virt-manager", true)]
#[case::guest("qemu-system-x86", false)]
#[case::guests_cpu("CPU 0/KVM", false)]
#[case::migration("mig/src/main", false)]
#[case::libvirt("libvirtd", false)]
#[case::load("stress-ng-vm", false)]
#[case::server("ganesha.nfsd", false)]
#[case::kernel("kworker/u8:3", false)]
#[case::journal("jbd2/sda1-8", false)]
fn what_befalls_a_strangers_process_is_trouble_in_guests_only(#[case] name: &str, #[case] ok: bool) {
    let hung = format!(
        "<3> INFO: task {name}:812 blocked for more than 120 seconds.
         <3>       Not tainted 6.12.43+deb13-amd64 #1 Debian 6.12.43-1
         <3> \"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.
         <6> task:{name} state:D stack:0 pid:812 tgid:812 ppid:1 flags:0x00004002
         <6> Call Trace:
         <6>  <TASK>
         <3> INFO: task {name}:812 is blocked on a mutex likely owned by task {name}:813.
         <6> task:{name} state:S stack:0 pid:813 tgid:813 ppid:1 flags:0x00004002
         <6> Call Trace:"
    );
    let refused = format!(
        "<4> {name}: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO)
         <4> CPU: 1 UID: 0 PID: 812 Comm: {name} Not tainted 6.12.43+deb13-amd64 #1  Debian 6.12.43-1
         <4> Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3-debian-1.16.3-2 04/01/2014
         <4> Call Trace:"
    );
    for text in [hung, refused] {
        let lines = log(1, &text);
        let proof = host_log().prove(&lines, &[]);
        assert_eq!(proof.ok, ok, "{proof:?}");
        assert!(!guest(&lines, &[]).ok);
        // A trace of its own that follows is nobody else's.
        let lines = log(1, &format!("{text}\n<4> Call Trace:"));
        assert!(!host_log().prove(&lines, &[]).ok);
    }
}

#[rstest]
#[case::bug("<3> BUG: scheduling while atomic: backup/812/0x00010001")]
#[case::warning("<4> WARNING: CPU: 0 PID: 812 at arch/x86/kvm/mmu/mmu.c:1022 kvm_x+0x1/0x2")]
#[case::lockup("<0> watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [backup:812]")]
fn what_befalls_the_kernel_is_trouble_whoever_runs(#[case] line: &str) {
    assert!(!host_log().prove(&log(1, line), &[]).ok);
    let after =
        format!("<3> INFO: task backup:812 blocked for more than 120 seconds.\n{line}\n<4> Call Trace:");
    let seen = host_log().prove(&log(1, &after), &[]).seen;
    assert!(seen.starts_with("2 lines of trouble"), "{seen}");
}

#[test]
fn classes_come_first_and_not_every_line_is_shown() {
    let mut lines = log(1, "<3> INFO: task cp:374 blocked for more than 120 seconds.");
    lines.extend(log(2, &"<4> Call Trace:\n".repeat(9)));
    let proof = guest(&lines, &[]);
    assert!(
        proof
            .seen
            .starts_with("10 lines of trouble (hung task, call trace):\n<3>[0.001000] INFO: task cp:374"),
        "{proof:?}"
    );
    assert!(proof.seen.ends_with("\nand 2 more"), "{proof:?}");
    assert_eq!(proof.seen.lines().count(), 1 + SHOWN + 1);
}

#[rstest]
#[case(None, true, true)]
#[case(Some(LogOwner::Guest), true, false)]
#[case(Some(LogOwner::Host), false, true)]
fn an_allowed_line_is_no_trouble_where_it_is_allowed(
    #[case] of: Option<LogOwner>,
    #[case] in_guest: bool,
    #[case] on_host: bool,
) {
    let allowed = [AllowedLine { pattern: "timer.c".into(), reason: "a test".into(), of, image: None }];
    let lines = log(1, "<4> WARNING: CPU: 0 PID: 9 at kernel/time/timer.c:1022 run_timer+0x1/0x2");
    assert_eq!(guest(&lines, &allowed).ok, in_guest);
    assert_eq!(host_log().prove(&lines, &allowed).ok, on_host);
}

#[test]
fn a_line_that_is_allowed_for_an_image_is_trouble_in_guests_of_another() {
    let of = Some(LogOwner::Guest);
    let line =
        AllowedLine { pattern: "timer.c".into(), reason: "a test".into(), of, image: Some("a".into()) };
    let lines = log(1, "<4> WARNING: CPU: 0 PID: 9 at kernel/time/timer.c:1022 run_timer+0x1/0x2");
    let judged = |image: Option<&str>| guest(&lines, &allowed_in(image, from_ref(&line))).ok;
    assert_eq!([Some("a"), Some("b"), None].map(judged), [true, false, false]);
}

#[test]
fn a_proof_says_whose_kernel_it_is_about() {
    let expected = "no new line of trouble in the kernel log of source and target (one kernel)";
    assert_eq!(host_log().prove(&[], &[]).expected, expected);
    let expected = "no new line of trouble in the kernel log of kvm1";
    assert_eq!(HostLog::new(&["kvm1"], &[], vec![]).prove(&[], &[]).expected, expected);
}

#[rstest]
#[case::by_itself("stress", "stress")]
#[case::stress_ng("stress-ng-vm", "stress-ng-vm")]
#[case::by_a_guest("CPU 1/KVM", "stress")]
fn a_killed_load_is_trouble_in_guests_only(#[case] asks: &str, #[case] killed: &str) {
    let lines = oom(1, asks, killed);
    let mut log = host_log();
    assert_eq!(log.prove(&lines, &[]).seen, "none");
    assert_eq!(log.finish(&[]).seen, "none");
    let seen = guest(&lines, &[]).seen;
    let begin =
        format!("5 lines of trouble (oom kill, call trace); killed: {killed}:\n<4>[0.001000] {asks} inv");
    assert!(seen.starts_with(&begin), "{seen}");
}

#[rstest]
#[case::guest("stress", "qemu-system-x86", "a guest (qemu-system-x86)")]
#[case::libvirt("stress", "libvirtd", "libvirtd")]
#[case::other("qemu-system-x86", "sshd", "sshd")]
#[case::brackets("stress", "(sd-pam)", "(sd-pam)")]
fn what_else_is_killed_is_trouble_and_named(#[case] asks: &str, #[case] killed: &str, #[case] said: &str) {
    let seen = host_log().prove(&oom(1, asks, killed), &[]).seen;
    let begin =
        format!("5 lines of trouble (oom kill, call trace); killed: {said}:\n<4>[0.001000] {asks} inv");
    assert!(seen.starts_with(&begin), "{seen}");
}

#[test]
fn other_trouble_amid_a_loads_report_stays_trouble() {
    let mut lines = oom(1, "stress", "stress");
    lines[8].text = "BUG: scheduling while atomic: stress/159/0x00010001".into();
    let proof = host_log().prove(&lines, &[]);
    assert_eq!(
        proof.seen,
        "1 line of trouble (bug):\n<4>[0.009000] BUG: scheduling while atomic: stress/159/0x00010001"
    );
}

#[test]
fn a_report_may_be_split_anywhere() {
    for (killed, ok) in [("stress", true), ("qemu-system-x86", false)] {
        let lines = oom(1, "stress", killed);
        for at in 0..=lines.len() {
            let (first, second) = lines.split_at(at);
            let mut log = host_log();
            let seen = [log.prove(first, &[]), log.prove(second, &[]), log.finish(&[])];
            assert_eq!(seen.iter().all(|proof| proof.ok), ok, "{killed}, split at {at}: {seen:?}");
            let trouble: usize = seen.iter().map(|proof| proof.seen.matches('\n').count()).sum();
            assert_eq!(trouble, if ok { 0 } else { 5 }, "{killed}, split at {at}: {seen:?}");
        }
    }
}

#[test]
fn a_report_whose_beginning_was_overwritten_is_judged_by_its_end() {
    for (killed, ok) in [("stress", true), ("qemu-system-x86", false)] {
        let lines = oom(1, "stress", killed);
        for at in 0..21 {
            let mut log = host_log();
            assert_eq!(log.prove(&lines[at..], &[]).ok, ok, "{killed}, from {at} on");
        }
        let mut log = host_log();
        assert!(log.prove(&lines[..2], &[]).ok);
        let proof = log.prove(&lines[3..], &[]);
        assert_eq!(proof.ok, ok);
    }
}

/// A look with lines before which so many are lost.
fn look_after_loss(lost: u64, lines: &[KernelLine]) -> Observation {
    Observation {
        lost_lines: lost,
        kernel_log: lines.to_vec(),
        ..Observation::in_a_test("a", Instant::now())
    }
}

#[test]
fn lines_that_nobody_has_read_are_a_finding_of_their_own() {
    let lines = log(100, "<6> br0: port 2(vnet0) entered blocking state");
    let (whole, cut) = (look_after_loss(0, &lines), look_after_loss(95, &lines));
    assert!(in_guest(&whole, &[]).iter().all(|proof| proof.ok) && host_log().overrun(&whole).is_none());
    let [none, lost] = &in_guest(&cut, &[])[..] else { panic!() };
    assert!(none.ok && !lost.ok, "{lost:?}");
    assert_eq!(lost.expected, "every line of the kernel log of the guest is read");
    assert_eq!(lost.seen, "95 lines lost before they were read");
    assert_eq!(lost.advice, Some(&OVERRUN));
    let of_hosts = host_log().overrun(&cut).unwrap();
    assert_eq!(of_hosts.expected, "every line of the kernel log of source and target (one kernel) is read");
    assert!(ABOUT.advice.contains(&OVERRUN));
}

#[rstest]
#[case::load("stress", true)]
#[case::host("qemu-system-x86", false)]
fn a_load_that_the_kernel_kills_again_and_again_may_flood_a_hosts_log(
    #[case] killed: &str,
    #[case] ok: bool,
) {
    let mut host = host_log();
    let cut = look_after_loss(2000, &oom(5000, "stress", killed));
    assert_eq!(host.prove(&cut.kernel_log, &[]).ok, ok);
    assert_eq!(host.overrun(&cut).is_none(), ok);
    assert!(in_guest(&cut, &[]).iter().all(|proof| !proof.ok), "no guest is short of memory on purpose");
}

#[rstest]
#[case::killed(
    "<3> Out of memory: Killed process 9 (multivm-witness) total-vm:1kB, anon-rss:1kB, UID:0",
    false
)]
#[case::oops("<1> BUG: kernel NULL pointer dereference, address: 0000000000000010", false)]
#[case::quiet("<6> clocksource: Switched to clocksource tsc", true)]
#[case::of_a_user("<12> WARNING: backup has started", true)]
fn what_a_guests_kernel_says_outside_of_scenarios_is_judged(#[case] line: &str, #[case] ok: bool) {
    let look = LaterLook { guest: "vm1".into(), image: None, seen: look_after_loss(0, &log(7, line)) };
    for when in [BETWEEN, AFTER_ALL] {
        let [proof] = &of_later_looks(from_ref(&look), when, &[])[..] else { panic!() };
        assert_eq!((proof.ok, proof.guest.as_deref()), (ok, Some("vm1")), "{proof:?}");
        assert_eq!(proof.expected, format!("no new line of trouble in the guest's kernel log, {when}"));
    }
}

#[test]
fn what_an_image_may_say_it_may_say_outside_of_scenarios_too() {
    let allowed = AllowedLine {
        pattern: "it is harmless".into(),
        reason: "for a test".into(),
        of: None,
        image: Some("debian".into()),
    };
    let seen = look_after_loss(0, &log(7, "<4> WARNING: it is harmless"));
    let ok = |image: Option<&str>| {
        let look = LaterLook { guest: "vm1".into(), image: image.map(str::to_owned), seen: seen.clone() };
        of_later_looks(&[look], BETWEEN, from_ref(&allowed))[0].ok
    };
    assert!(ok(Some("debian")) && !ok(Some("fedora")) && !ok(None));
}

#[test]
fn a_report_without_an_end_is_judged_by_who_asked() {
    for (asks, ok) in [("stress", true), ("qemu-system-x86", false)] {
        let mut log = host_log();
        assert!(log.prove(&oom(1, asks, "stress")[..8], &[]).ok);
        assert_eq!(log.finish(&[]).ok, ok, "{asks}");
    }
}

#[test]
fn a_call_trace_after_lost_lines_is_told_at_once() {
    assert!(!host_log().prove(&log(7, "<4> Call Trace:\n<4>  <TASK>"), &[]).ok);
}

#[rstest]
#[case::rate_limited(
    "<3> Memory cgroup out of memory: Killed process 9 (NAME) total-vm:1kB, anon-rss:1kB, UID:0"
)]
#[case::before_4_19("<3> Killed process 9 (NAME) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB")]
#[case::in_two_lines("<3> Out of memory: Kill process 9 (NAME) score 812 or sacrifice child")]
#[case::dying(
    "<6> Memory cgroup out of memory: OOM victim 9 (NAME) is already exiting. Skip killing the task"
)]
#[case::who_asked(
    "<3> Out of memory (oom_kill_allocating_task): Killed process 9 (NAME) total-vm:1kB, UID:0"
)]
#[case::reaped("<6> oom_reaper: reaped process 9 (NAME), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB")]
#[case::not_reaped("<6> oom_reaper: unable to reap pid:9 (NAME)\n<6> task:NAME state:D\n<6> Call Trace:")]
fn a_line_that_stands_alone_is_judged_by_its_name(#[case] text: &str) {
    for (name, ok) in [("stress-ng-vm", true), ("qemu-system-x86", false)] {
        let mut host = host_log();
        let seen = [host.prove(&log(1, &text.replace("NAME", name)), &[]), host.finish(&[])];
        assert_eq!(seen.iter().all(|proof| proof.ok), ok, "{name}: {seen:?}");
    }
}

#[test]
fn nothing_left_to_kill_is_trouble() {
    let mut lines = oom(1, "stress", "stress");
    lines.truncate(20);
    lines.extend(log(21, "<4> Out of memory and no killable processes..."));
    let seen = host_log().prove(&lines, &[]).seen;
    assert!(seen.starts_with("3 lines of trouble (oom kill, call trace):\n"), "{seen}");
}

/// The console of a guest with kernel 6.1 after QEMU 7.2 had lost a page of its memory.
const CONSOLE: &str = "Debian GNU/Linux\r
[   16.100393] list_del corruption. next->prev should be ffff88800535e0a8, but was ffff88800563c8a8. (next=ffff8880053598a8)\r
[   16.104096] kernel BUG at lib/list_debug.c:62!\r
[   16.105039] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\r
[   16.105408] CPU: 0 PID: 125 Comm: multivm-witness Not tainted 6.1.0-50-cloud-amd64 #1  Debian 6.1.176-1\r
";

#[test]
fn a_kernel_that_died_says_so_on_its_console() {
    let proof = console(CONSOLE, &BTreeSet::new(), &[]);
    assert!(!proof.ok && proof.about == &super::ABOUT);
    assert!(proof.seen.starts_with("3 lines of trouble (memory corruption, bug, oops):"), "{}", proof.seen);
    assert!(proof.seen.contains("[16.104096] kernel BUG at lib/list_debug.c:62!"), "{}", proof.seen);
    assert!(proof.advice.unwrap().text.contains("the whole console"));
}

#[rstest]
#[case::silent("")]
#[case::no_kernel("login: \r\nPassword:\r\n")]
#[case::harmless("[    1.130951] clocksource: tsc: mask: 0xffffffffffffffff\r\n")]
fn a_console_without_trouble_proves_nothing(#[case] text: &str) {
    assert!(console(text, &BTreeSet::new(), &[]).ok);
}

#[rstest]
#[case::of_the_kernel("<4> WARNING: CPU: 0 PID: 9 at kernel/time/timer.c:1022 run_timer+0x1/0x2", false)]
#[case::of_a_user("<12> WARNING: backup has started", true)]
#[case::of_a_user_who_is_severe("<10> disk of the backup is full", true)]
#[case::of_a_user_who_quotes("<9> Oops: 0002 [#1] PREEMPT SMP NOPTI", true)]
#[case::of_a_daemon("<28> systemd[1]: backup.service: Killed process 12 (tar)", true)]
#[case::like_an_oom_report("<12> tar invoked oom-killer: says the backup", true)]
fn only_the_kernel_is_in_trouble(#[case] line: &str, #[case] ok: bool) {
    let lines = log(1, line);
    for proof in [guest(&lines, &[]), host_log().prove(&lines, &[])] {
        assert_eq!(proof.ok, ok, "{proof:?}");
    }
    let mut log = host_log();
    log.prove(&lines, &[]);
    assert!(log.finish(&[]).ok);
}

#[test]
fn what_a_user_wrote_is_no_trouble_on_the_console_either() {
    let text = "[   12.345678] WARNING: backup has started\r\n";
    let known = BTreeSet::from(["WARNING: backup has started".to_owned()]);
    assert!(console(text, &known, &[]).ok && !console(text, &BTreeSet::new(), &[]).ok);
}

/// The victim's control group decides whether a host may lose it.
#[rstest]
#[case::of_a_host("/source", "sshd", false)]
#[case::of_a_host_in_a_container("/docker/0123abcd/source", "qemu-system-x86", false)]
#[case::below_a_host("/source/machine/vm1", "tail", false)]
#[case::load("/source", "stress", true)]
#[case::container("/docker/0123abcd", "java", true)]
#[case::named_like_a_host("/docker/source-of-truth", "java", true)]
#[case::somebody_elses_guest("/machine.slice/machine-qemu-1-web.scope", "qemu-system-x86", true)]
fn an_oom_kill_is_trouble_if_it_hits_a_host(#[case] group: &str, #[case] killed: &str, #[case] ok: bool) {
    let lines: Vec<KernelLine> = oom(1, "sshd", killed)
        .into_iter()
        .map(|line| KernelLine {
            text: line.text.replace("task_memcg=/source", &format!("task_memcg={group}")),
            ..line
        })
        .collect();
    for at in [0, 5, lines.len() - 2, lines.len() - 1] {
        let mut log = host_log();
        let proofs = [log.prove(&lines[..at], &[]), log.prove(&lines[at..], &[]), log.finish(&[])];
        assert_eq!(proofs.iter().all(|proof| proof.ok), ok, "{at}: {proofs:?}");
    }
}

/// If a host is the whole machine, or the kernel does not give the control group, the name decides.
#[rstest]
#[case::guest("qemu-system-x86", false)]
#[case::libvirt("libvirtd", false)]
#[case::storage("ganesha.nfsd", false)]
#[case::stranger("java", true)]
fn without_control_groups_names_decide(#[case] killed: &str, #[case] ok: bool) {
    let machine = || HostLog::new(&["kvm1"], &["stress"], vec![]);
    let whole = oom(1, "sshd", killed);
    assert_eq!(machine().prove(&whole, &[]).ok, ok);
    let alone = &whole[whole.len() - 2..whole.len() - 1];
    assert_eq!(host_log().prove(alone, &[]).ok, ok);
}

/// The machine has disks, sticks and loop devices that no host stands on.
#[rstest]
#[case::block("<3> critical space allocation error, dev NAME, sector 2048 op 0x1:(WRITE) flags 0xc800")]
#[case::buffer("<3> Buffer I/O error on dev NAME, logical block 0, lost async page write")]
#[case::ext4("<2> EXT4-fs error (device NAME): ext4_lookup:1855: inode #2: comm ls: iget: bad")]
#[case::read_only("<2> EXT4-fs (NAME): Remounting filesystem read-only")]
#[case::journal("<3> Aborting journal on device NAME-8.")]
#[case::xfs("<1> XFS (NAME): log I/O error -5")]
#[case::btrfs("<2> BTRFS critical (device NAME): corrupt leaf: root=5 block=1 slot=0")]
#[case::hung("<3> INFO: task jbd2/NAME-8:154 blocked for more than 120 seconds.\n<6> Call Trace:")]
fn trouble_of_a_device_counts_where_a_host_stands_on_it(#[case] text: &str) {
    let of = |name: &str| log(1, &text.replace("NAME", name));
    let stands_on = |devices: Option<&[&str]>| {
        let mut log = host_log();
        log.stand_on(devices.map(|names| names.iter().map(|&name| name.to_owned()).collect()));
        log
    };
    let mut known = stands_on(Some(&["sda", "sda2"]));
    assert_eq!(known.prove(&of("sdb1"), &[]).seen, "none");
    assert!(!known.prove(&log(9, &text.replace("NAME", "sda2")), &[]).ok);
    assert!(!stands_on(None).prove(&of("sdb1"), &[]).ok, "nobody knows what it stands on");
    assert!(!guest(&of("sdb1"), &[]).ok, "a guest has no other devices");
}

#[test]
fn a_device_that_a_host_stood_on_still_counts() {
    let lines = log(1, "<3> I/O error, dev sda, sector 2048 op 0x0:(READ)");
    let set = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let mut host = host_log();
    assert!(!host.is_about_another_device(&lines), "every device counts");
    host.stand_on(set(&["sdb"]));
    assert!(host.is_about_another_device(&lines));
    host.stand_on(set(&["sda"]));
    host.stand_on(set(&["sdb"]));
    assert!(!host.is_about_another_device(&lines));
    assert!(!host.prove(&lines, &[]).ok);
}

#[test]
fn a_trace_after_a_strangers_device_is_nobody_elses() {
    let mut host = host_log();
    host.stand_on(Some(["sda".to_owned()].into()));
    let lines = log(1, "<3> I/O error, dev sdb, sector 0 op 0x0:(READ)\n<4> Call Trace:");
    assert_eq!(host.prove(&lines, &[]).seen, "1 line of trouble (call trace):\n<4>[0.002000] Call Trace:");
}
