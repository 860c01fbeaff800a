//! A scenario in plain English, step by step, before anything is started.
//!
//! The text is made from the rules, not from the sequence that [`crate`]'s migration room computes: it is what that
//! sequence is held against.

mod load;
mod proofs;
#[cfg(test)]
mod tests;

use humantime::format_duration;

use super::{AtTimeout, Booting, Bytes, Mode, Order, Profile, Scenario, Transport, Workload};

impl Scenario {
    /// The libvirt migration flags of every move, by their C names.
    pub fn libvirt_flags(&self) -> Vec<&'static str> {
        let mut flags = vec!["VIR_MIGRATE_LIVE", "VIR_MIGRATE_PERSIST_DEST"];
        flags.push(match self.mode {
            Mode::Precopy => "VIR_MIGRATE_AUTO_CONVERGE",
            Mode::Postcopy => "VIR_MIGRATE_POSTCOPY",
        });
        if self.transport == Transport::Xbzrle {
            flags.push("VIR_MIGRATE_COMPRESSED");
        }
        flags
    }

    /// What the scenario does with this profile, which has guests of the scenario's size: lines of text, those of a list
    /// indented by two spaces.
    pub fn explain(&self, profile: &Profile) -> Vec<String> {
        let mut lines = vec![self.name(), self.fleet(profile), self.in_every_guest(profile)];
        lines.extend(self.load(profile));
        lines.push(self.each_migration(profile));
        lines.extend(self.moves(profile));
        lines.extend(self.proofs(profile));
        lines
    }

    fn boots_while_it_migrates(&self) -> bool {
        self.workload == Workload::Boot(Booting::MigratedVms)
    }

    fn fleet(&self, profile: &Profile) -> String {
        let vcpus = count(profile.vcpus, "vCPU", "vCPUs");
        let guests = count(profile.guests, "guest", "guests");
        let sizing = self.sizing.map(|sizing| format!(" (sizing {sizing})")).unwrap_or_default();
        let boot = format_duration(profile.boot_timeout);
        let start = if self.boots_while_it_migrates() {
            format!("; each must answer within {boot} of every start")
        } else {
            format!(", booted on the source; each must answer within {boot}")
        };
        format!("Fleet: {guests} of {vcpus} and {}{sizing}{start}.", profile.memory)
    }

    fn in_every_guest(&self, profile: &Profile) -> String {
        format!(
            "In every guest: our program rewrites {} with a pattern, all of it once in {}, and writes synced records to the disk.",
            profile.pattern_memory,
            format_duration(profile.rewrite(self.mode)),
        )
    }

    fn each_migration(&self, profile: &Profile) -> String {
        let flags = self.libvirt_flags().join(" | ");
        let timeout = format_duration(profile.migration_timeout(self.mode));
        let xbzrle = match self.transport {
            Transport::Xbzrle => ", pages that are sent again compressed with XBZRLE",
            Transport::Plain => "",
        };
        let at_most = |bandwidth: Bytes| format!(", at no more than {bandwidth}/s");
        let first = profile.bandwidth_before_switch(self.mode).map(at_most).unwrap_or_default();
        let end = match self.mode {
            Mode::Precopy => {
                let limit = format_duration(profile.downtime_limit);
                format!("{first}; over when the rest can be sent in {limit} (QEMU's downtime-limit)")
            }
            Mode::Postcopy => {
                let rest = profile.bandwidth.map(at_most).unwrap_or_default();
                format!(
                    "; after the first pre-copy pass{first}, it is switched over (virDomainMigrateStartPostCopy){rest}"
                )
            }
        };
        let then = match (self.mode, profile.at_timeout) {
            (Mode::Postcopy, _) | (Mode::Precopy, AtTimeout::Abort) => {
                "it is aborted, which fails the scenario"
            }
            (Mode::Precopy, AtTimeout::Suspend) => {
                "the guest is suspended so that it can complete, which fails the check `live`"
            }
            (Mode::Precopy, AtTimeout::SuspendAllowed) => {
                "the guest is suspended so that it can complete, which is allowed"
            }
        };
        format!("Each migration: {flags}{xbzrle}{end}; it may take {timeout}, then {then}.")
    }

    fn moves(&self, profile: &Profile) -> Vec<String> {
        let rounds = count(profile.rounds, "round", "rounds");
        let fleet = fleet_range(profile.guests);
        let (there, back) = match self.order {
            Order::Cross => return cross(profile),
            Order::Orderly => (
                format!("{fleet} from source to target, one by one in this order"),
                format!("{fleet} from target to source, one by one in this order"),
            ),
            Order::Simultaneous => (
                format!("{fleet} from source to target, all at once"),
                format!("{fleet} from target to source, all at once"),
            ),
        };
        vec![
            format!("Moves: {rounds} there and back. In each round:"),
            format!("  1. {there}; prove."),
            format!("  2. {back}; prove."),
        ]
    }
}

/// The rotation: at every step but the first and the last, one guest goes out while the one that went before comes back.
///
/// With N guests and R rounds each guest makes R round trips in R x N + 1 steps, of which R x N - 1 have both directions
/// under way.
fn cross(profile: &Profile) -> Vec<String> {
    let guests = profile.guests;
    if guests < 2 {
        return vec![
            "Moves: none. The order cross needs at least 2 guests: one goes while another comes.".to_owned(),
        ];
    }
    let rounds = count(profile.rounds, "round", "rounds");
    let mut lines = vec![
        format!(
            "Moves: {rounds} of a rotation in which one guest goes from source to target while another comes back."
        ),
        format!("  1. guest {guests} goes out alone, to prime the rotation; prove."),
    ];
    let mut before = guests;
    for out in 1..guests {
        lines.push(format!(
            "  {}. guest {out} goes out while guest {before} comes back; prove both.",
            out + 1
        ));
        before = out;
    }
    let home = u64::from(guests) * u64::from(profile.rounds) + 1;
    let trips = if profile.rounds == 1 {
        "the round trip".to_owned()
    } else {
        lines.push(format!(
            "  {} to {}. the rotation goes on for {}: guest {guests} goes out while guest {before} comes back, then guest 1 goes out while guest {guests} comes back, and so on; prove both after every step.",
            guests + 1,
            home - 1,
            count(profile.rounds - 1, "more round", "more rounds"),
        ));
        format!("{} round trips", profile.rounds)
    };
    lines.push(format!("  {home}. guest {before} comes home alone; prove. Every guest has made {trips}."));
    lines
}

fn fleet_range(guests: u32) -> String {
    match guests {
        1 => "guest 1".to_owned(),
        2 => "guests 1 and 2".to_owned(),
        _ => format!("guests 1 to {guests}"),
    }
}

fn count(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
