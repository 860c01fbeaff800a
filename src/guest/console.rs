//! Finds guests whose kernels have panicked, within a second. The console shows a panic, and nothing else does as long as
//! the guest does not answer yet. It also knows of guests that were reset, which libvirt alone tells.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::Guest;
use super::domain::console_path;
use crate::failure::Result;
use crate::host::Hosts;
use crate::libvirt::{EventKind, LifecycleEvent};
use crate::remote::Agent;
use crate::sys::parallel::locked;
use crate::sys::watch::Watch;

/// Time between two looks at the consoles of a host.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long a host may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a guest's kernel may take to accept a connection after its console showed a panic.
const CONNECT_LIMIT: Duration = Duration::from_millis(700);

/// How long the guest's sshd may then take to greet. The connection alone proves nothing: an interrupt of a dead kernel may
/// accept it. A guest whose CPU is busy needs seconds to start a process.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// The first and the last line of a kernel's panic, which contains the words of the first: nothing runs after the last one
/// (kernel/panic.c).
const BEGIN: &str = "Kernel panic - not syncing: ";
const END: &str = "---[ end Kernel panic - not syncing: ";

/// A kernel that has panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// The host of the guest at that time.
    pub host: String,
    /// The reason in the kernel's words.
    pub words: String,
    /// When multivm read it.
    pub at: Instant,
}

impl std::fmt::Display for Panic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "its kernel panicked on {}: {}", self.host, self.words)
    }
}

/// Callback for every panic.
pub type OnPanic = Arc<dyn Fn(&Guest, &Panic) + Send + Sync>;

/// Follows the consoles of guests on both hosts until it is dropped.
pub struct Consoles {
    known: Arc<Mutex<KnownGuests>>,
    hosts: Vec<Arc<Followed>>,
    watches: Vec<Watch<()>>,
}

#[derive(Default)]
struct KnownGuests {
    panics: HashMap<String, Panic>,
    /// The hosts on which guests were reset, or rebooted themselves, since their starts.
    resets: HashMap<String, String>,
    /// The number of starts of each guest, which tells findings about an earlier start apart.
    starts: HashMap<String, u64>,
}

impl KnownGuests {
    fn start_of(&self, guest: &Guest) -> u64 {
        self.starts.get(&guest.name).copied().unwrap_or(0)
    }
}

/// The consoles of one host.
struct Followed {
    name: String,
    /// A second agent beside the host's own: its questions must not wait for those of a scenario, nor the other way round.
    agent: Agent,
    guests: Vec<Arc<Guest>>,
    /// The position up to which this read each guest's console.
    read: Mutex<Vec<u64>>,
    /// The words of panics whose last line has not come yet.
    begun: Mutex<HashMap<String, String>>,
}

impl Consoles {
    /// Begins to follow the consoles, each from its present end.
    pub fn follow(hosts: &Hosts, guests: &[Arc<Guest>], told: &OnPanic) -> Result<Consoles> {
        let mut consoles = Consoles { known: Arc::default(), hosts: Vec::new(), watches: Vec::new() };
        for host in hosts.both() {
            // The host's own agent removes the program at its end, if it brought it.
            host.agent.install(LIMIT * 5)?;
            let followed = Arc::new(Followed {
                name: host.entry.name.clone(),
                agent: Agent::new(host.remote.clone()),
                guests: guests.to_vec(),
                read: Mutex::new(vec![u64::MAX; guests.len()]),
                begun: Mutex::default(),
            });
            let (known, told, by) = (Arc::clone(&consoles.known), Arc::clone(told), Arc::clone(&followed));
            consoles.watches.push(Watch::start("consoles", move |stop| {
                while !stop.is_set() {
                    by.look(&known, &told);
                    stop.pause(INTERVAL);
                }
            })?);
            consoles.hosts.push(followed);
        }
        consoles.hear(hosts, guests, told);
        Ok(consoles)
    }

    /// Listens to libvirt, which reports resets, and the panic of a guest with a panic device.
    fn hear(&self, hosts: &Hosts, guests: &[Arc<Guest>], told: &OnPanic) {
        let (known, told, guests) = (Arc::downgrade(&self.known), Arc::clone(told), guests.to_vec());
        hosts.events.forward(None, move |event| {
            let Some(known) = known.upgrade() else { return false };
            if event.kind == EventKind::Rebooted {
                locked(&known).resets.insert(event.domain.clone(), event.host.to_string());
            }
            if let EventKind::Lifecycle { event: LifecycleEvent::Crashed, .. } = event.kind {
                let guest = guests.iter().find(|guest| guest.name == event.domain);
                let words = "libvirt reports that the guest crashed".to_owned();
                let panic = Panic { host: event.host.to_string(), words, at: event.at };
                if let Some(guest) = guest {
                    let start = locked(&known).start_of(guest);
                    note(&known, guest, start, &panic, &told);
                }
            }
            true
        });
    }

    /// The panic of a guest's kernel since the guest's last start; none without one.
    pub fn panic_of(&self, guest: &str) -> Option<Panic> {
        locked(&self.known).panics.get(guest).cloned()
    }

    /// The host on which a guest was reset, or rebooted itself, since its last start; none if it never was.
    pub fn reset_of(&self, guest: &str) -> Option<String> {
        locked(&self.known).resets.get(guest).cloned()
    }

    /// Forgets the reset of a guest that is about to be made anew.
    pub fn forget_reset(&self, guest: &str) {
        locked(&self.known).resets.remove(guest);
    }

    /// All guests whose kernels have panicked.
    pub fn panics(&self) -> HashMap<String, Panic> {
        locked(&self.known).panics.clone()
    }

    /// Forgets the earlier text on a guest's consoles. Call this before a start, while the guest does not run.
    pub fn begin_anew(&self, guest: &Guest) {
        self.hosts.iter().for_each(|host| host.skip(guest));
        let mut known = locked(&self.known);
        known.panics.remove(&guest.name);
        known.resets.remove(&guest.name);
        *known.starts.entry(guest.name.clone()).or_default() += 1;
    }
}

impl Drop for Consoles {
    fn drop(&mut self) {
        // The watches end before somebody removes the program that they use, so that none of them brings it back.
        self.watches.drain(..).for_each(|watch| drop(watch.stop()));
    }
}

#[cfg(test)]
impl Consoles {
    /// Consoles of hosts that a test does not have: nothing is read, and no kernel has panicked.
    pub fn unread() -> Consoles {
        Consoles { known: Arc::default(), hosts: Vec::new(), watches: Vec::new() }
    }

    /// Notes that a guest was reset on a host.
    pub fn note_reset(&self, guest: &str, host: &str) {
        locked(&self.known).resets.insert(guest.to_owned(), host.to_owned());
    }
}

/// Notes the panic of a guest, unless the guest has been started again since that start.
fn note(known: &Mutex<KnownGuests>, guest: &Guest, start: u64, panic: &Panic, told: &OnPanic) {
    {
        let mut known = locked(known);
        if known.start_of(guest) != start || known.panics.contains_key(&guest.name) {
            return;
        }
        known.panics.insert(guest.name.clone(), panic.clone());
    }
    told(guest, panic);
}

impl Followed {
    /// Reads the new lines of all consoles. If a host does not answer, a later look tries again, and others report it.
    fn look(&self, known: &Arc<Mutex<KnownGuests>>, told: &OnPanic) {
        let ended = {
            let mut read = locked(&self.read);
            let files = self.files(&read);
            let Ok(found) = self.agent.find(BEGIN, &files, LIMIT) else { return };
            let mut begun = locked(&self.begun);
            let mut ended = Vec::new();
            for (number, (guest, file)) in self.guests.iter().zip(found.0).enumerate() {
                read[number] = file.end;
                ended.extend(
                    file.lines
                        .iter()
                        .filter_map(|line| Some((guest, ended_by(line, &guest.name, &mut begun)?))),
                );
            }
            ended
        };
        for (guest, words) in ended {
            let start = locked(known).start_of(guest);
            let (known, told, guest) = (Arc::clone(known), Arc::clone(told), Arc::clone(guest));
            let panic = Panic { host: self.name.clone(), words, at: Instant::now() };
            // This runs beside the looks at other consoles. If no thread can be started, whoever waits for the guest finds
            // out.
            let _ = thread::Builder::new().name("panic".to_owned()).spawn(move || {
                // A guest that still answers has only printed such lines.
                if guest.greeting_within(CONNECT_LIMIT, GREETING_LIMIT).is_err() {
                    note(&known, &guest, start, &panic, &told);
                }
            });
        }
    }

    /// Skips the present text of a guest's console.
    fn skip(&self, guest: &Guest) {
        let Some(number) = self.guests.iter().position(|known| known.name == guest.name) else { return };
        let mut read: MutexGuard<'_, Vec<u64>> = locked(&self.read);
        let file = [(u64::MAX, console_path(&guest.name))];
        let found = self.agent.find(BEGIN, &file, LIMIT).ok();
        read[number] = found.and_then(|found| Some(found.0.first()?.end)).unwrap_or(u64::MAX);
        locked(&self.begun).remove(&guest.name);
    }

    fn files(&self, read: &[u64]) -> Vec<(u64, String)> {
        self.guests.iter().zip(read).map(|(guest, from)| (*from, console_path(&guest.name))).collect()
    }
}

/// The words of a panic whose last line this is. Only lines of the kernel begin with the time (CONFIG_PRINTK_TIME); lines
/// that user space writes to the console do not.
pub(super) fn ended_by(line: &str, guest: &str, begun: &mut HashMap<String, String>) -> Option<String> {
    let (time, text) = line.strip_prefix('[')?.split_once("] ")?;
    time.trim().parse::<f64>().ok()?;
    if let Some(words) = text.strip_prefix(BEGIN) {
        begun.insert(guest.to_owned(), words.trim().to_owned());
        return None;
    }
    let end = text.strip_prefix(END)?.trim_end();
    let words = begun.remove(guest)?;
    (end.strip_suffix(" ]---") == Some(words.as_str())).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panics(lines: &[&str]) -> Vec<String> {
        let mut begun = HashMap::new();
        lines.iter().filter_map(|line| ended_by(line, "vm1", &mut begun)).collect()
    }

    const FIRST: &str =
        "[    1.204119] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug";
    const LAST: &str = "[    1.210001] ---[ end Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug ]---";

    #[test]
    fn a_panic_is_its_words_when_it_has_ended() {
        assert_eq!(panics(&[FIRST]), [""; 0]);
        assert_eq!(panics(&[FIRST, LAST]), ["IO-APIC + timer doesn't work!  Boot with apic=debug"]);
        assert_eq!(panics(&[FIRST, LAST, FIRST, LAST]).len(), 2);
    }

    #[test]
    fn what_user_space_writes_to_the_console_is_none() {
        let words =
            ["Kernel panic - not syncing: nothing", "---[ end Kernel panic - not syncing: nothing ]---"];
        assert_eq!(panics(&words), [""; 0]);
        assert_eq!(panics(&[LAST]), [""; 0]);
        let other = "[    2.000000] ---[ end Kernel panic - not syncing: something else ]---";
        assert_eq!(panics(&[FIRST, other]), [""; 0]);
        assert_eq!(
            panics(&[
                "[note] Kernel panic - not syncing: x",
                "[note] ---[ end Kernel panic - not syncing: x ]---"
            ]),
            [""; 0]
        );
    }
}
