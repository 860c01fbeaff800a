//! How long guests waited for a CPU of the host that they were on. A guest that gets little CPU meanwhile has it from whoever else keeps
//! the host busy, and not from its migration; a quota is no such wait, nor is a QEMU that somebody stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::totals::{LIMIT, Totals, sample};
use crate::failure::Result;
use crate::host::Hosts;
use crate::remote::Agent;
use crate::remote::protocol::CpuWait;
use crate::scenario::Side;
use crate::sys::watch::Watch;

/// What each guest waited on one host, by its name.
type OfHost = HashMap<String, Totals>;

/// Both hosts while they are sampled.
pub struct WaitWatches([(Side, Watch<OfHost>); 2]);

/// How long each guest waited on each host, for a virtual CPU in the mean.
#[derive(Default)]
pub struct Waits(HashMap<Side, OfHost>);

/// Begins to sample both hosts.
pub fn watch(hosts: &Hosts) -> Result<WaitWatches> {
    let of = |agent: &Arc<Agent>| {
        let agent = Arc::clone(agent);
        sample("wait-watch", move |waits| add(waits, &agent))
    };
    Ok(WaitWatches([(Side::Source, of(&hosts.source.agent)?), (Side::Target, of(&hosts.target.agent)?)]))
}

fn add(waits: &mut OfHost, agent: &Agent) {
    // A host that does not answer, or whose kernel does not count, let nobody wait for a known time.
    let told = agent.cpu_waits(LIMIT).map(|waits| waits.0).unwrap_or_default();
    for CpuWait { domain, waited_us, cpus } in told {
        let waited = Duration::from_micros(waited_us) / cpus.max(1);
        waits.entry(domain.name).or_default().add(Instant::now(), waited);
    }
}

impl WaitWatches {
    /// Stops sampling. What nobody knows any more, nobody waited.
    pub fn stop(self) -> Waits {
        Waits(self.0.into_iter().filter_map(|(side, watch)| Some((side, watch.stop().ok()?))).collect())
    }
}

impl Waits {
    /// What a guest waited on a host.
    pub fn of(&self, guest: &str, host: Side) -> &Totals {
        self.0.get(&host).and_then(|guests| guests.get(guest)).unwrap_or(Totals::NONE)
    }
}
