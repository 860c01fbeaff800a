//! One writer: only a guest's own QEMU can write to its image, and the QEMUs of both hosts only during a migration.
//!
//! During a migration both hosts' QEMU have the image open. The target's opens it when libvirt prepares, and writes nothing
//! before the source's has handed it over (QEMU, docs/devel/migration/main.rst: block devices are inactive on the incoming
//! side). Nobody else watches for other writers: libvirt looks at its own domains only, and QEMU's locks do not reach
//! through every client of NFS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use super::{About, Advice, Asked, Check, Close, End, LegEnd, Moment, Outage, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::guest::{Fleet, Guest};
use crate::host::{SearchedImage, Writer, WriterSearch};
use crate::scenario::{Scenario, Side, Workload};
use crate::sys::halt::ran_since;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

pub static ABOUT: About = About {
    id: "writers",
    summary: "one writer",
    how: "twice a second, through the whole scenario: who on both hosts, on the storage server, and on the machine under a lab's, \
          has a guest's image, or the base image, open or mapped for writing, by device and inode, if two looks have seen the \
          process, or its program; its own QEMU alone, on both hosts only while it migrates. So is a load guest's while it runs, \
          with its QEMU on one host. Who is connected to the storage server more often than for files that a command line or a disk \
          of a domain names is one, too",
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
        let images = Arc::new(watched(scene.scenario, fleet));
        let files: Vec<SearchedImage> = images.iter().map(WatchedImage::searched).collect();
        let search = WriterSearch::new(&fleet.hosts, &fleet.storage, &files, fleet.answer_limit());
        let (sender, found) = channel();
        let seen = Arc::clone(&images);
        let watch = Watch::start("writer-watch", move |stop| look_until(search, &seen, &sender, stop))?;
        Ok(Box::new(WritersAsked {
            watch: Some(watch),
            found,
            images,
            spans: BTreeMap::new(),
            on_both: Vec::new(),
            told: Vec::new(),
            limit: fleet.profile.blind_limit(),
        }))
    }
}

/// An image and its guest. The base image has no guest, and nobody writes to it.
struct WatchedImage {
    file: String,
    guest: Option<Arc<Guest>>,
    /// Whether the guest is a load guest, which boots again and again.
    boots: bool,
}

/// The images of the guests that move, of the load guests that boot meanwhile, and those that all others stand on.
fn watched(scenario: &Scenario, fleet: &Fleet) -> Vec<WatchedImage> {
    let booting = match scenario.workload {
        Workload::Boot(booting) => (booting.row().load_guests)(fleet.load_guests.len()),
        Workload::Stress { .. } => 0,
    };
    let of = |guest: &Arc<Guest>, boots| {
        let (file, guest) = (guest.image.clone(), Some(Arc::clone(guest)));
        WatchedImage { file, guest, boots }
    };
    let moving = fleet.guests.iter().map(|guest| of(guest, false));
    let booting = fleet.load_guests.iter().take(booting).map(|guest| of(guest, true));
    let bases = fleet.base_images().into_iter().map(|file| WatchedImage { file, guest: None, boots: false });
    moving.chain(booting).chain(bases).collect()
}

impl WatchedImage {
    fn searched(&self) -> SearchedImage {
        // multivm makes a load guest's image with the load, which comes after this watch.
        SearchedImage { file: self.file.clone(), may_come: self.boots }
    }

    fn may_write(&self) -> MayWrite {
        match &self.guest {
            None => MayWrite::Nobody,
            Some(guest) if self.boots => MayWrite::Boots { guest: guest.name.clone(), side: guest.side() },
            Some(guest) => MayWrite::Moves(guest.name.clone()),
        }
    }
}

/// Whose QEMU may write to an image, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MayWrite {
    /// The QEMU of this guest, on whichever host it is.
    Moves(String),
    /// The QEMU of this load guest, on one host.
    Boots {
        guest: String,
        side: Side,
    },
    Nobody,
}

/// When a migration began and ended; one that nobody saw end may still have the image open on both hosts.
type MigrationSpan = (Instant, Option<Instant>);

struct WritersAsked {
    watch: Option<Watch<WriterWatch>>,
    found: Receiver<WriterFind>,
    images: Arc<Vec<WatchedImage>>,
    /// The times of each guest's migrations, from begin to end.
    spans: BTreeMap<String, Vec<MigrationSpan>>,
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
    images: &[WatchedImage],
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
        let looked = look(&mut search, images, &mut fleeting, found);
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
    images: &[WatchedImage],
    fleeting: &mut Fleeting,
    found: &Sender<WriterFind>,
) -> Result<()> {
    let began = Instant::now();
    let may_write: Vec<MayWrite> = images.iter().map(WatchedImage::may_write).collect();
    let writers = search.look()?;
    for image in on_both(&writers, &may_write) {
        let _ = found.send(WriterFind::OnBoth(OnBoth { image, began, ended: Instant::now() }));
    }
    let suspects = suspects(&writers, &may_write);
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

/// The foreign writers. While a load guest is off, its image is nobody's: multivm makes it anew then.
fn suspects<'a>(writers: &'a [Writer], may_write: &[MayWrite]) -> Vec<&'a Writer> {
    let is_in_use = |image: Option<usize>| {
        !matches!(image.and_then(|image| may_write.get(image)), Some(MayWrite::Boots { .. }))
            || writers.iter().any(|writer| writer.image == image && !is_foreign(writer, may_write))
    };
    writers.iter().filter(|writer| is_foreign(writer, may_write) && is_in_use(writer.image)).collect()
}

/// Whether the writer is anything but the QEMU of the image's guest, on a host where that may be.
fn is_foreign(writer: &Writer, may_write: &[MayWrite]) -> bool {
    let own = match writer.image.and_then(|image| may_write.get(image)) {
        Some(MayWrite::Moves(guest)) => Some(guest),
        Some(MayWrite::Boots { guest, side }) if writer.side == Some(*side) => Some(guest),
        _ => None,
    };
    own.is_none() || writer.domain.as_ref() != own
}

/// The images that the guest's own QEMU has open on both hosts.
fn on_both(writers: &[Writer], may_write: &[MayWrite]) -> Vec<usize> {
    let has = |image: usize, side: Side| {
        writers.iter().any(|writer| {
            writer.image == Some(image) && writer.side == Some(side) && !is_foreign(writer, may_write)
        })
    };
    (0..may_write.len()).filter(|&image| has(image, Side::Source) && has(image, Side::Target)).collect()
}

impl Asked for WritersAsked {
    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        if let Some(began) = end.report.began {
            self.spans.entry(end.guest.name.clone()).or_default().push((began, end.report.ended));
        }
    }

    fn on_step(&mut self, _end: &StepEnd<'_>) -> Vec<Proof> {
        self.so_far()
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

    /// What is known of writers by now keeps guests with damage from being suspended for a look at their images.
    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        self.so_far()
    }

    // Who writes while images are checked and logs are collected is somebody else, too.
    fn at_close(&mut self, close: &Close<'_>) -> Vec<Proof> {
        let Some(watch) = self.watch.take() else { return Vec::new() };
        let seen = watch.stop().unwrap_or_else(|failure| WriterWatch {
            error: Some(failure.to_string()),
            ..WriterWatch::default()
        });
        let mut proofs = self.so_far();
        if !close.interrupted && self.told.is_empty() {
            proofs.push(check(&seen, self.limit));
        }
        proofs
    }
}

impl WritersAsked {
    /// Findings of all looks so far, judged by all migrations that are over.
    fn so_far(&mut self) -> Vec<Proof> {
        let mut proofs = self.meanwhile();
        proofs.extend(self.beyond_migrations());
        proofs
    }

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
            Some(guest) => {
                format!("nobody but {}'s own QEMU has {} open for writing", guest.name, image.file)
            }
            None => format!("nobody has {}, on which all images stand, open for writing", image.file),
        };
        let seen = format!("{what}{domain} has it, first at {at}");
        let proof = Proof::new(&ABOUT, false, expected, seen).advise(&FOREIGN);
        Some(match &image.guest {
            Some(guest) => proof.of(&guest.name),
            None => proof,
        })
    }

    /// Judges the looks at which both hosts' QEMU had an image, once no guest migrates.
    fn beyond_migrations(&mut self) -> Vec<Proof> {
        let looks = std::mem::take(&mut self.on_both);
        let mut proofs = Vec::new();
        for look in looks {
            let Some(guest) = &self.images[look.image].guest else { continue };
            let guest = &guest.name;
            let spans = self.spans.get(guest).map(Vec::as_slice).unwrap_or_default();
            let key = (Some(look.image), "both hosts".to_owned());
            if is_within(&look, spans) || self.told.contains(&key) {
                continue;
            }
            self.told.push(key);
            let expected = format!(
                "{guest}'s QEMU has {} open on one host, on both only while it migrates",
                self.images[look.image].file
            );
            let seen = "both hosts' QEMU have it open, and it does not migrate";
            proofs.push(Proof::new(&ABOUT, false, expected, seen).advise(&BOTH).of(guest));
        }
        proofs
    }
}

/// Whether the guest migrated during any part of a look.
fn is_within(look: &OnBoth, spans: &[MigrationSpan]) -> bool {
    spans.iter().any(|(began, ended)| ended.is_none_or(|ended| look.began <= ended) && look.ended >= *began)
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

    fn may_write() -> Vec<MayWrite> {
        let boots = MayWrite::Boots { guest: "load1".into(), side: Side::Target };
        vec![MayWrite::Moves("vm1".into()), MayWrite::Moves("vm2".into()), MayWrite::Nobody, boots]
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
        assert!(!is_foreign(&writer(0, source, Some("vm1")), &may_write()));
        assert!(is_foreign(&writer(0, source, Some("vm2")), &may_write()));
        assert!(is_foreign(&writer(0, source, None), &may_write()));
        assert!(is_foreign(&writer(1, None, None), &may_write()));
        assert!(is_foreign(&writer(2, source, Some("vm1")), &may_write()), "the base image");
        let unexplained = Writer { image: None, ..writer(0, source, Some("vm1")) };
        assert!(is_foreign(&unexplained, &may_write()), "its own QEMU may have more open than it should");
    }

    #[test]
    fn a_load_guest_writes_on_one_host_and_nobody_else_while_it_runs() {
        let [source, target] = [Side::Source, Side::Target].map(Some);
        let own = writer(3, target, Some("load1"));
        for other in [writer(3, source, Some("load1")), writer(3, target, None), writer(3, None, None)] {
            assert_eq!(suspects(&[own.clone(), other.clone()], &may_write()), [&other]);
            assert!(suspects(std::slice::from_ref(&other), &may_write()).is_empty(), "it is off: {other:?}");
        }
        assert!(suspects(std::slice::from_ref(&own), &may_write()).is_empty());
        assert!(
            on_both(&[own, writer(3, source, Some("load1"))], &may_write()).is_empty(),
            "that is a foreign writer"
        );
        assert_eq!(
            suspects(&[writer(0, None, None)], &may_write()).len(),
            1,
            "the image of a guest that moves"
        );
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
        assert_eq!(on_both(&there, &may_write()), [1]);
        let foreign = [writer(0, source, Some("vm1")), writer(0, target, Some("other"))];
        assert!(on_both(&foreign, &may_write()).is_empty(), "that is a foreign writer");
    }

    #[test]
    fn a_look_during_any_part_of_a_migration_proves_nothing() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let look = |from, to| OnBoth { image: 0, began: at(from), ended: at(to) };
        let spans = [(at(100), Some(at(200))), (at(500), Some(at(600)))];
        for (from, to) in [(90, 110), (150, 160), (190, 210), (90, 210), (550, 700)] {
            assert!(is_within(&look(from, to), &spans), "{from} {to}");
        }
        for (from, to) in [(10, 90), (210, 490), (610, 700)] {
            assert!(!is_within(&look(from, to), &spans), "{from} {to}");
        }
        let never_ended = [(at(500), None)];
        assert!(is_within(&look(900_000, 900_010), &never_ended) && !is_within(&look(10, 90), &never_ended));
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
