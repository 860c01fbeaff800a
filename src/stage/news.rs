//! News of guests while a fleet is built: for the record, and where it is urgent for whoever waits.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::guest::GuestNews;
use crate::record::{Event, RepairedPart};
use crate::run::Run;
use crate::sys::parallel::locked;
use crate::sys::terminal;

/// Time between two lines about starting guests, if nobody sees the status of the run.
const START_LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The moment of the last line about starting guests, or of the first news of one.
pub type Calm = Mutex<Option<Instant>>;

/// Whether another line about starting guests is due. The first piece of news only starts the clock.
fn is_due(calm: &Calm) -> bool {
    let mut last = locked(calm);
    let due = last.get_or_insert_with(Instant::now).elapsed() >= START_LINE_INTERVAL;
    if due {
        *last = Some(Instant::now());
    }
    due
}

/// Records news of guests, and prints urgent news.
pub fn tell(run: &Run, calm: &Calm, news: GuestNews<'_>) {
    match news {
        GuestNews::Copying { image, bytes, of } => {
            terminal::say(&format!("multivm: copying {image}: {} of {} MiB", bytes >> 20, of >> 20));
        }
        GuestNews::Answering { answering, of } => {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            run.write(&Event::GuestsAnswer { answering: number(answering), of: number(of) });
            if answering == of {
                *locked(calm) = None;
            } else if is_due(calm) {
                terminal::say(&format!("multivm: {answering} of {of} guests answer"));
            }
        }
        GuestNews::Waiting { guest, waited } => {
            if waited >= START_LINE_INTERVAL && is_due(calm) {
                let waited = waited.as_secs();
                terminal::say(&format!(
                    "multivm: {} does not answer yet, {waited} s after its start",
                    guest.name
                ));
            }
        }
        GuestNews::FirstBoot { guest, errors } => {
            let warning =
                format!("cloud-init had errors at the first boot of {}: {}", guest.name, errors.join("; "));
            terminal::say(&format!("\nmultivm: warning: {warning}"));
            run.fixture_ready(
                "warning",
                Duration::ZERO,
                [(format!("{}.warning", guest.name), warning)].into(),
            );
        }
        GuestNews::Panicked { guest, panic } => {
            let (guest, host, words) = (guest.name.clone(), panic.host.clone(), panic.words.clone());
            terminal::say(&format!("\nmultivm: the kernel of {guest} panicked on {host}: {words}"));
            run.write(&Event::GuestPanicked { guest, host, words });
        }
        GuestNews::StartedAgain { guest, why } => {
            run.repaired(RepairedPart::Guest, format!("start {} a second time", guest.name), why);
        }
    }
}
