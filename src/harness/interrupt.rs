//! Ctrl-C and its relatives: the first asks the command to stop and clean up, the second ends it on the spot.

use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Attempt, Done};
use crate::wait::Cancel;

/// Cancels `cancel` on the first SIGINT, SIGTERM or SIGHUP. On the second the process ends with 128 and the
/// signal's number; what it leaves is in the ledger.
pub fn cancel_on_signals(cancel: &Cancel) -> Done<()> {
    let attempted = || "listen for signals".to_owned();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).attempting(attempted)?;
    let cancel = cancel.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if cancel.is_cancelled() {
                    eprintln!("multivm: ended; `multivm reap` clears what is left");
                    std::process::exit(128 + signal);
                }
                eprintln!("multivm: interrupted; cleaning up (once more: end at once)");
                cancel.cancel();
            }
        })
        .map(drop)
        .attempting(attempted)
}
