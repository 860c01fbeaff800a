//! One writer: only a guest's own QEMU can write to its image, and the QEMUs of both hosts only during a migration.
//!
//! During a migration both hosts' QEMU have the image open. The target's opens it when libvirt prepares, and writes nothing
//! before the source's has handed it over (QEMU, docs/devel/migration/main.rst: block devices are inactive on the incoming
//! side). Nobody else watches for other writers: libvirt looks at its own domains only, and QEMU's locks do not reach
//! through every client of NFS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use super::{About, Advice, Asked, Check, End, LegEnd, Moment, Outage, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::host::{Writer, WriterSearch};
use crate::scenario::Side;
use crate::sys::halt::ran_since;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

pub static ABOUT: About = About {
    id: "writers",
    summary: "one writer",
    how: "twice a second, through the whole scenario: who on both hosts, on the storage server, and on the machine under a lab's, \
          has a guest's image, or the base image, open or mapped for writing, by device and inode, if two looks have seen the \
          process, or its program; its own QEMU alone, on both hosts only while it migrates. Who is connected to the storage server \
          more often than for files that a command line or a disk of a domain names is one, too",
    asked: &[Moment::Always, Moment::Step, Moment::End],
    advice: &[FOREIGN, UNEXPLAINED, BOTH, BLIND],
    ..About::BASE
};

const FOREIGN: Advice = Advice::new(
    "somebody else has the image open for writing",
    "two writers to one image lose it: find out who started that process, and end it. The guest is made anew with a fresh image \
     before the next scenario",
);

const UNEXPLAINED: Advice = Advice::new(
    "somebody is connected to the storage, and nothing says why",
    "a monitor, QMP or standard input can name an image that no command line shows: find out who started that process, and what it \
     has open (`info block` in QEMU's monitor), and end it",
);

const BOTH: Advice = Advice::new(
    "both hosts' QEMU have the image open, and the guest does not migrate",
    "virsh list --all on both hosts: is the guest paused or starting on the other one? libvirtd.log of both is in the evidence",
);

const BLIND: Advice = Advice::new(
    "a machine did not say who writes to images",
    "was the host or the storage server down, or out of CPU? Its log is in the evidence",
);

/// The check.
pub struct OneWriter;

impl Check for OneWriter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let fleet = scene.fleet;
        let mut images: Vec<WatchedImage> = fleet
            .guests
            .iter()
            .map(|guest| WatchedImage { file: guest.image.clone(), guest: Some(guest.name.clone()) })
            .collect();
        images.extend(fleet.base_images().into_iter().map(|file| WatchedImage { file, guest: None }));
        let files: Vec<String> = images.iter().map(|image| image.file.clone()).collect();
        let search = WriterSearch::new(&fleet.hosts, &fleet.storage, &files, fleet.answer_limit());
        let (sender, found) = channel();
        let guests = images.iter().map(|image| image.guest.clone()).collect();
        let watch = Watch::start("writer-watch", move |stop| look_until(search, guests, &sender, stop))?;
        Ok(Box::new(WritersAsked {
            watch: Some(watch),
            found,
            images,
            windows: BTreeMap::new(),
            on_both: Vec::new(),
            told: Vec::new(),
            limit: fleet.profile.blind_limit(),
        }))
    }
}

/// An image and its guest. The base image has no guest, and nobody writes to it.
struct WatchedImage {
    file: String,
    guest: Option<String>,
}

struct WritersAsked {
    watch: Option<Watch<WriterWatch>>,
    found: Receiver<WriterFind>,
    images: Vec<WatchedImage>,
    /// The times of each guest's migrations, from begin to end.
    windows: BTreeMap<String, Vec<(Instant, Instant)>>,
    /// Looks at which both hosts' QEMU had an image. Their verdict must wait, because the times of the guest's migrations
    /// come later.
    on_both: Vec<OnBoth>,
    /// Image and process of every finding so far.
    told: Vec<(Option<usize>, String)>,
    /// How long the watch may be blind.
    limit: Duration,
}

/// Time between two looks.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// The find of a look.
enum WriterFind {
    /// A foreign writer that two looks have seen.
    Foreign(Writer, SystemTime),
    OnBoth(OnBoth),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OnBoth {
    image: usize,
    began: Instant,
    ended: Instant,
}

/// The result of the watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct WriterWatch {
    looks: u64,
    /// The error of the last look that failed.
    error: Option<String>,
    /// The longest time without a look.
    blind: Duration,
}

fn look_until(
    mut search: WriterSearch,
    guests: Vec<Option<String>>,
    found: &Sender<WriterFind>,
    stop: &StopFlag,
) -> WriterWatch {
    let mut seen = WriterWatch::default();
    let mut last = Instant::now();
    let mut fleeting = Fleeting::new();
    loop {
        let next = Instant::now() + INTERVAL;
        // The last look begins after the end, so that no writer escapes between them.
        let is_last = stop.is_set();
        let looked = look(&mut search, &guests, &mut fleeting, found);
        seen.blind = seen.blind.max(ran_since(last));
        match looked {
            Ok(()) => {
                seen.looks += 1;
                last = Instant::now();
            }
            Err(failure) => {
                seen.error = Some(failure.to_string());
                if stop.is_set() {
                    return seen;
                }
            }
        }
        if is_last {
            return seen;
        }
        stop.pause(next.saturating_duration_since(Instant::now()));
    }
}

/// Foreign writers that one look has seen and the next one has not, by their image, machine and name.
type Fleeting = BTreeSet<(Option<usize>, String, String)>;

/// Looks for writers, and looks again for each foreign one: the first look may have seen a process that has just ended, or
/// a QEMU that libvirt is starting, halfway. A program that is seen again and again is a writer, too, however short each of
/// its processes lives.
fn look(
    search: &mut WriterSearch,
    guests: &[Option<String>],
    fleeting: &mut Fleeting,
    found: &Sender<WriterFind>,
) -> Result<()> {
    let began = Instant::now();
    let writers = search.look()?;
    for image in on_both(&writers, guests) {
        let _ = found.send(WriterFind::OnBoth(OnBoth { image, began, ended: Instant::now() }));
    }
    let suspects: Vec<&Writer> = writers.iter().filter(|writer| is_foreign(writer, guests)).collect();
    if suspects.is_empty() {
        return Ok(());
    }
    let again = search.look()?;
    for writer in suspects.into_iter().filter(|writer| is_confirmed(writer, &again, fleeting)) {
        let _ = found.send(WriterFind::Foreign(writer.clone(), SystemTime::now()));
    }
    Ok(())
}

/// Whether a foreign writer is there in the next look, too, or an earlier look had another short-lived process of its
/// program.
fn is_confirmed(writer: &Writer, again: &[Writer], fleeting: &mut Fleeting) -> bool {
    if again.contains(writer) {
        return true;
    }
    let stays = again.iter().any(|other| other.image == writer.image && other.process == writer.process);
    // Whoever asks the server whether it answers is connected for a moment.
    if writer.image.is_none() {
        return false;
    }
    // A guest's own QEMU is nobody's for a moment when it starts, and when libvirt has forgotten it before it has ended.
    if stays || writer.name.starts_with("qemu-system") || writer.name.contains("kvm") {
        return false;
    }
    !fleeting.insert((writer.image, writer.machine.clone(), writer.name.clone()))
}

/// Whether the writer is anything but the QEMU of the image's guest.
fn is_foreign(writer: &Writer, guests: &[Option<String>]) -> bool {
    let guest = writer.image.and_then(|image| guests.get(image)).and_then(Option::as_ref);
    guest.is_none() || writer.domain.as_ref() != guest
}

/// The images that the guest's own QEMU has open on both hosts.
fn on_both(writers: &[Writer], guests: &[Option<String>]) -> Vec<usize> {
    let has = |image: usize, side: Side| {
        writers.iter().any(|writer| {
            writer.image == Some(image) && writer.side == Some(side) && !is_foreign(writer, guests)
        })
    };
    (0..guests.len()).filter(|&image| has(image, Side::Source) && has(image, Side::Target)).collect()
}

impl Asked for WritersAsked {
    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        if let Some(window) = end.report.began.zip(end.report.ended) {
            self.windows.entry(end.guest.name.clone()).or_default().push(window);
        }
    }

    fn on_step(&mut self, _end: &StepEnd<'_>) -> Vec<Proof> {
        let mut proofs = self.meanwhile();
        proofs.extend(self.beyond_migrations());
        proofs
    }

    fn meanwhile(&mut self) -> Vec<Proof> {
        let found: Vec<WriterFind> = self.found.try_iter().collect();
        let mut proofs = Vec::new();
        for one in found {
            match one {
                WriterFind::OnBoth(look) => self.on_both.push(look),
                WriterFind::Foreign(writer, at) => proofs.extend(self.foreign(&writer, at)),
            }
        }
        proofs
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let Some(watch) = self.watch.take() else { return Vec::new() };
        let seen = watch.stop().unwrap_or_else(|failure| WriterWatch {
            error: Some(failure.to_string()),
            ..WriterWatch::default()
        });
        let mut proofs = self.meanwhile();
        proofs.extend(self.beyond_migrations());
        if !end.interrupted && self.told.is_empty() {
            proofs.push(check(&seen, self.limit));
        }
        proofs
    }
}

impl WritersAsked {
    /// A finding about a writer; none if the check has reported that process already.
    fn foreign(&mut self, writer: &Writer, at: SystemTime) -> Option<Proof> {
        let what = match writer.process {
            Some(process) => format!("{} (pid {}) on {}", writer.name, process.pid, writer.machine),
            None => format!("{} on {}", writer.name, writer.machine),
        };
        let key = (writer.image, what.clone());
        if self.told.contains(&key) {
            return None;
        }
        self.told.push(key);
        let domain =
            writer.domain.as_ref().map(|domain| format!(", the QEMU of domain {domain}")).unwrap_or_default();
        let at = humantime::format_rfc3339_millis(at);
        let Some(image) = writer.image.map(|image| &self.images[image]) else {
            let expected = "whoever is connected to the storage server has files there that a command line or a disk names";
            let seen =
                format!("{what}{domain} is connected to the storage, and nothing says why, first at {at}");
            return Some(Proof::new(&ABOUT, false, expected, seen).advise(&UNEXPLAINED));
        };
        let expected = match &image.guest {
            Some(guest) => format!("nobody but {guest}'s own QEMU has {} open for writing", image.file),
            None => format!("nobody has {}, on which all images stand, open for writing", image.file),
        };
        let seen = format!("{what}{domain} has it, first at {at}");
        let proof = Proof::new(&ABOUT, false, expected, seen).advise(&FOREIGN);
        Some(match &image.guest {
            Some(guest) => proof.of(guest),
            None => proof,
        })
    }

    /// Judges the looks at which both hosts' QEMU had an image, once no guest migrates.
    fn beyond_migrations(&mut self) -> Vec<Proof> {
        let looks = std::mem::take(&mut self.on_both);
        let mut proofs = Vec::new();
        for look in looks {
            let Some(guest) = self.images[look.image].guest.clone() else { continue };
            let windows = self.windows.get(&guest).map(Vec::as_slice).unwrap_or_default();
            let key = (Some(look.image), "both hosts".to_owned());
            if is_within(&look, windows) || self.told.contains(&key) {
                continue;
            }
            self.told.push(key);
            let expected = format!(
                "{guest}'s QEMU has {} open on one host, on both only while it migrates",
                self.images[look.image].file
            );
            let seen = "both hosts' QEMU have it open, and it does not migrate";
            proofs.push(Proof::new(&ABOUT, false, expected, seen).advise(&BOTH).of(&guest));
        }
        proofs
    }
}

/// Whether the guest migrated during any part of a look.
fn is_within(look: &OnBoth, windows: &[(Instant, Instant)]) -> bool {
    windows.iter().any(|(began, ended)| look.began <= *ended && look.ended >= *began)
}

/// Judges the watch itself: one that saw nothing for longer than `limit` proves nothing.
fn check(seen: &WriterWatch, limit: Duration) -> Proof {
    let expected = format!(
        "nobody but its own QEMU has a guest's image open for writing, asked every {} ms",
        INTERVAL.as_millis()
    );
    let blind = seen.blind.as_secs_f64();
    if seen.looks == 0 || seen.blind > limit {
        let error = seen.error.as_deref().unwrap_or("no answer");
        let since = Instant::now().checked_sub(seen.blind).unwrap_or_else(Instant::now);
        return Proof::new(&ABOUT, false, expected, format!("not known for {blind:.1} s: {error}"))
            .advise(&BLIND)
            .tells(Outage::of_disk(since));
    }
    Proof::new(&ABOUT, true, expected, format!("nobody in {} looks, at most {blind:.1} s apart", seen.looks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::protocol::ProcessId;

    fn guests() -> Vec<Option<String>> {
        vec![Some("vm1".into()), Some("vm2".into()), None]
    }

    fn writer(image: usize, side: Option<Side>, domain: Option<&str>) -> Writer {
        Writer {
            image: Some(image),
            side,
            machine: side.map_or("storage".into(), |side| side.to_string()),
            process: None,
            name: "qemu".into(),
            domain: domain.map(str::to_owned),
        }
    }

    #[test]
    fn only_its_own_qemu_may_write_to_an_image() {
        let source = Some(Side::Source);
        assert!(!is_foreign(&writer(0, source, Some("vm1")), &guests()));
        assert!(is_foreign(&writer(0, source, Some("vm2")), &guests()));
        assert!(is_foreign(&writer(0, source, None), &guests()));
        assert!(is_foreign(&writer(1, None, None), &guests()));
        assert!(is_foreign(&writer(2, source, Some("vm1")), &guests()), "the base image");
        let unexplained = Writer { image: None, ..writer(0, source, Some("vm1")) };
        assert!(is_foreign(&unexplained, &guests()), "its own QEMU may have more open than it should");
    }

    #[test]
    fn a_writer_is_one_that_two_looks_have_seen_or_its_program() {
        let of = |name: &str, pid| {
            let process = Some(ProcessId { pid, start: 1 });
            Writer { process, name: name.into(), ..writer(0, None, None) }
        };
        let mut fleeting = Fleeting::new();
        let mut confirmed = |writer: &Writer, again: &[Writer]| is_confirmed(writer, again, &mut fleeting);
        assert!(confirmed(&of("sh", 1), &[of("sh", 1)]));
        assert!(!confirmed(&of("dd", 2), &[]), "it may have opened it by mistake");
        assert!(confirmed(&of("dd", 3), &[of("dd", 4)]), "it comes again and again");
        assert!(!confirmed(&of("cp", 5), &[]), "another program");
        for pid in 3..5 {
            let asks = Writer { image: None, ..of("rpcinfo", pid) };
            assert!(!confirmed(&asks, &[]), "it asks whether the server answers");
            assert!(confirmed(&asks, std::slice::from_ref(&asks)), "it stays");
        }
        for pid in 6..9 {
            assert!(!confirmed(&of("qemu-system-x86", pid), &[]), "a guest's QEMU that ends");
            let known = Writer { domain: Some("vm1".into()), ..of("qemu-kvm", pid) };
            assert!(!confirmed(&of("qemu-kvm", pid), &[known]), "a guest's QEMU that starts");
        }
    }

    #[test]
    fn one_image_on_both_hosts_is_seen() {
        let [source, target] = [Side::Source, Side::Target].map(Some);
        let there =
            [writer(0, source, Some("vm1")), writer(1, source, Some("vm2")), writer(1, target, Some("vm2"))];
        assert_eq!(on_both(&there, &guests()), [1]);
        let foreign = [writer(0, source, Some("vm1")), writer(0, target, Some("other"))];
        assert!(on_both(&foreign, &guests()).is_empty(), "that is a foreign writer");
    }

    #[test]
    fn a_look_during_any_part_of_a_migration_proves_nothing() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let look = |from, to| OnBoth { image: 0, began: at(from), ended: at(to) };
        let windows = [(at(100), at(200)), (at(500), at(600))];
        for (from, to) in [(90, 110), (150, 160), (190, 210), (90, 210), (550, 700)] {
            assert!(is_within(&look(from, to), &windows), "{from} {to}");
        }
        for (from, to) in [(10, 90), (210, 490), (610, 700)] {
            assert!(!is_within(&look(from, to), &windows), "{from} {to}");
        }
    }

    #[test]
    fn a_watch_that_saw_nothing_proves_nothing() {
        let limit = Duration::from_secs(5);
        assert!(!check(&WriterWatch::default(), limit).ok);
        assert!(check(&WriterWatch { looks: 3, ..WriterWatch::default() }, limit).ok);
        let blind = WriterWatch { looks: 3, blind: Duration::from_secs(6), ..WriterWatch::default() };
        assert!(!check(&blind, limit).ok);
    }
}
