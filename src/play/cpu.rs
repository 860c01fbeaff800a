//! Samples the CPU time of both hosts' processes through a scenario, once a second, into the record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::host::Hosts;
use crate::record::{Event, Record};
use crate::remote::Agent;
use crate::sys::parallel::at_once;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

/// The time between two samples. The kernel's ticks of 10 ms make a sample of one second exact to 1 %.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a host may take to answer; later there is no sample.
const LIMIT: Duration = Duration::from_secs(5);

const TICKS_PER_S: f64 = 100.0;

/// Begins to sample both hosts.
pub fn watch(hosts: &Hosts, record: &Record) -> Result<Watch<()>> {
    let hosts = hosts.both().map(|host| Counter::new(&host.entry.name, &host.agent));
    let record = record.clone();
    Watch::start("cpu-watch", move |stop| sample_until(hosts, &record, stop))
}

fn sample_until(mut hosts: [Counter; 2], record: &Record, stop: &StopFlag) {
    while !stop.is_set() {
        let hosts: BTreeMap<String, f64> = at_once("sample a host's CPU time", &mut hosts, |counter| {
            Ok((counter.host.clone(), counter.busy()?))
        })
        .into_iter()
        .filter_map(|sample| sample.ok().and_then(|(host, busy)| Some((host, busy?))))
        .collect();
        // A sample that ends after the scenario is not the scenario's.
        if !hosts.is_empty() && !stop.is_set() {
            let _ = record.write(&Event::BusyCpus { hosts });
        }
        stop.pause(INTERVAL);
    }
}

struct Counter {
    host: String,
    agent: Arc<Agent>,
    last: Option<(Instant, u64)>,
}

impl Counter {
    fn new(host: &str, agent: &Arc<Agent>) -> Counter {
        Counter { host: host.to_owned(), agent: Arc::clone(agent), last: None }
    }

    /// The number of CPUs that were busy since the last question; none at the first.
    fn busy(&mut self) -> Result<Option<f64>> {
        let ticks = self.agent.cpu_ticks(LIMIT)?;
        let now = Instant::now();
        let last = self.last.replace((now, ticks));
        Ok(last.map(|(then, before)| {
            // The kernel drops the time of processes whose parent did not wait for them.
            let seconds = ticks.saturating_sub(before) as f64 / TICKS_PER_S;
            (seconds / (now - then).as_secs_f64() * 100.0).round() / 100.0
        }))
    }
}
