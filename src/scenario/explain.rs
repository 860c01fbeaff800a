//! A scenario in plain English, step by step, before anything is started.
//!
//! The text is made from the rules, not from the sequence that [`crate`]'s migration room computes: it is what that
//! sequence is held against.

use humantime::format_duration;

use super::command::guest_load_command;
use super::{Booting, HostShare, Kind, Mode, Order, Profile, Scenario, Workload};

/// What is proved about every guest after each leg. The probe stream spans the whole scenario and is told apart.
const PROOFS: [&str; 9] = [
    "exactly one copy: active on the host it should be on, not active on the other",
    "no reboot: boot id unchanged, uptime grew",
    "memory intact: the pattern kept changing, and every page is verified",
    "disk intact: synced writes made during the move are read back with their checksums",
    "kernels clean: no new oops, call trace, warning, lockup, hung task, RCU stall or I/O error in the guest's or a host's log",
    "load was real: the load was there and consuming during the migration",
    "clock sane: guest time against host time",
    "it was live: a pre-copy that had to be suspended to finish is reported as such, never as a plain pass",
    "TCP alive: the connection opened before the first move still answers",
];

impl Scenario {
    /// The libvirt migration flags of every move, by their C names.
    pub fn libvirt_flags(&self) -> Vec<&'static str> {
        let mut flags = vec!["VIR_MIGRATE_LIVE", "VIR_MIGRATE_PERSIST_DEST"];
        flags.push(match self.mode {
            Mode::Precopy => "VIR_MIGRATE_AUTO_CONVERGE",
            Mode::Postcopy => "VIR_MIGRATE_POSTCOPY",
        });
        if self.order == Order::Compressed {
            flags.push("VIR_MIGRATE_COMPRESSED");
        }
        flags
    }

    /// What the scenario does with this profile: lines of text, those of a list indented by two spaces.
    pub fn explain(&self, profile: &Profile) -> Vec<String> {
        let mut lines = vec![self.name()];
        if let Some(reason) = self.not_yet() {
            lines.push(format!("Ignored: {reason}."));
        }
        lines.push(self.fleet(profile));
        lines.extend(self.load(profile));
        lines.push(self.each_migration(profile));
        lines.extend(self.moves(profile));
        lines.extend(proofs(profile));
        lines
    }

    fn fleet(&self, profile: &Profile) -> String {
        let vcpus = count(profile.vcpus, "vCPU", "vCPUs");
        let guests = count(profile.guests, "guest", "guests");
        let boot = format_duration(profile.boot_timeout);
        let memory = profile.memory;
        if self.workload == Workload::Boot(Booting::MigratedVms) {
            format!(
                "Fleet: {guests} of {vcpus} and {memory} on the source, started right before they migrate; each must answer within {boot} of its start."
            )
        } else {
            format!(
                "Fleet: {guests} of {vcpus} and {memory}, booted on the source; each must answer within {boot}."
            )
        }
    }

    fn load(&self, profile: &Profile) -> Vec<String> {
        match self.workload {
            Workload::Stress { tool, kind, share } => {
                let mut lines = Vec::new();
                if self.location.in_guests() {
                    let command = guest_load_command(tool, kind, profile).join(" ");
                    let each = match kind {
                        Kind::Cpu => String::new(),
                        Kind::Memory => {
                            format!(" ({} for each worker)", profile.memory_bytes)
                        }
                    };
                    lines.push(format!("Load in every guest: `{command}`{each}."));
                }
                for host in self.location.hosts() {
                    let resource = match kind {
                        Kind::Cpu => "CPUs",
                        Kind::Memory => "memory",
                    };
                    let amount = match share {
                        Some(HostShare::Half) => "half of what it has left",
                        Some(HostShare::Short) => "more than it has left",
                        None => "as much as a guest takes",
                    };
                    lines.push(format!("Load on the {host} host: {}, {resource}, {amount}.", tool.program()));
                }
                lines
            }
            Workload::Boot(booting) => vec![format!(
                "Load: {}.",
                match booting {
                    Booting::LoadVm =>
                        "one other guest, which does not migrate, boots while the fleet migrates",
                    Booting::LoadVms =>
                        "all the other guests, which do not migrate, boot while the fleet migrates",
                    Booting::MigratedVms => "the fleet itself, which migrates while it boots",
                }
            )],
        }
    }

    fn each_migration(&self, profile: &Profile) -> String {
        let flags = self.libvirt_flags().join(" | ");
        let timeout = format_duration(profile.migration_timeout(self.mode));
        let xbzrle = match self.order {
            Order::Compressed => ", pages that are sent again compressed with XBZRLE",
            Order::Orderly | Order::Simultaneous | Order::Cross => "",
        };
        let switch = match self.mode {
            Mode::Precopy => "",
            Mode::Postcopy => {
                "; after the first pre-copy pass it is switched over (virDomainMigrateStartPostCopy)"
            }
        };
        format!("Each migration: {flags}{xbzrle}{switch}; it may take {timeout}.")
    }

    fn moves(&self, profile: &Profile) -> Vec<String> {
        let rounds = count(profile.rounds, "round", "rounds");
        let fleet = fleet_range(profile.guests);
        let (there, back) = match self.order {
            Order::Cross => return cross(profile),
            Order::Orderly | Order::Compressed => (
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

fn proofs(profile: &Profile) -> Vec<String> {
    let mut lines = vec!["Proved for every guest that moved, after each leg:".to_owned()];
    lines.extend(PROOFS.iter().map(|proof| format!("  - {proof}")));
    lines.push(format!(
        "Proved for every guest during the whole scenario: it answers a probe every {}; no gap is longer than {}.",
        format_duration(profile.probe_interval),
        format_duration(profile.max_gap)
    ));
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
