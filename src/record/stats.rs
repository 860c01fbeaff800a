//! libvirt's statistics of a migration job, in the record's form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Statistics of a job: libvirt's own names (`memory_remaining`, `time_elapsed`, ...: the `VIR_DOMAIN_JOB_*` of
/// `libvirt-domain.h`) with libvirt's values. Times are milliseconds, memory is in bytes, rates are per second. No libvirt
/// and no QEMU gives all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Stats(BTreeMap<String, Value>);

/// Statistics that only the completed job has: they are constant through a migration, or follow from others.
const ONLY_COMPLETED: [&str; 4] = ["operation", "memory_page_size", "memory_normal_bytes", "setup_time"];

/// Sums over memory and disks, each with the memory's figure, which equals the sum if no disk is copied. A reader takes a
/// sum that it has never seen for the memory's figure.
const SUMS: [(&str, &str); 3] = [
    ("data_total", "memory_total"),
    ("data_processed", "memory_processed"),
    ("data_remaining", "memory_remaining"),
];

/// The size of a page where libvirt gives a rate in pages and no page size.
const PAGE: u64 = 4096;

impl Stats {
    /// Takes libvirt's statistics, without sums over memory and disks that equal the memory's own figure, and without values
    /// that have no JSON form.
    pub fn new<V: Serialize>(given: impl IntoIterator<Item = (impl Into<String>, V)>) -> Stats {
        let values = given.into_iter().filter_map(|(name, value)| {
            let value = serde_json::to_value(value).ok().filter(|value| !value.is_null())?;
            Some((name.into(), value))
        });
        let mut stats = Stats(values.collect());
        for (sum, memory) in SUMS {
            if stats.0.contains_key(sum) && stats.0.get(sum) == stats.0.get(memory) {
                stats.0.remove(sum);
            }
        }
        stats
    }

    /// The number of this name.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// The value of this name: its own one, or of a sum that was left out the memory's.
    fn get(&self, name: &str) -> Option<&Value> {
        let memory = || SUMS.iter().find(|(sum, _)| *sum == name).and_then(|(_, memory)| self.0.get(*memory));
        self.0.get(name).or_else(memory)
    }

    /// The guest's dirty rate in bytes per second: libvirt gives pages.
    pub fn dirty_bytes_per_s(&self) -> Option<u64> {
        let page = self.number("memory_page_size").unwrap_or(PAGE);
        self.number("memory_dirty_rate").map(|pages| pages.saturating_mul(page))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The statistics of a sample: those in which it differs from what a reader `knows` by the samples before. A statistic
    /// that was 0 from the beginning has not changed, and only the completed job has `operation`, `memory_page_size`,
    /// `memory_normal_bytes` and `setup_time`.
    #[must_use]
    pub fn changed_since(&self, knows: &Stats) -> Stats {
        let zero = Value::from(0);
        let differs = |knows: &Stats, name: &str, value: &Value| knows.get(name).unwrap_or(&zero) != value;
        let is_sum = |name: &str| SUMS.iter().any(|(sum, _)| *sum == name);
        let own = self.0.iter().filter(|(name, value)| {
            !is_sum(name) && !ONLY_COMPLETED.contains(&name.as_str()) && differs(knows, name, value)
        });
        let mut changed = Stats(own.map(|(name, value)| (name.clone(), value.clone())).collect());
        // A sum follows the memory's figure only for a reader that has never seen the sum itself.
        let mut told = knows.clone();
        told.update(&changed);
        for (sum, _) in SUMS {
            if let Some(value) = self.get(sum).filter(|value| differs(&told, sum, value)) {
                changed.0.insert(sum.to_owned(), value.clone());
            }
        }
        changed
    }

    /// Takes the next sample, which has the statistics that have changed.
    pub fn update(&mut self, changed: &Stats) {
        self.0.extend(changed.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(values: &[(&str, u64)]) -> Stats {
        Stats::new(values.iter().copied())
    }

    #[test]
    fn a_sum_without_disks_is_not_written_twice() {
        let twice =
            stats(&[("data_total", 9), ("memory_total", 9), ("data_remaining", 5), ("memory_remaining", 4)]);
        let text = r#"{"data_remaining":5,"memory_remaining":4,"memory_total":9}"#;
        assert_eq!(serde_json::to_string(&twice).unwrap(), text);
    }

    #[test]
    fn a_value_without_a_form_is_left_out() {
        assert!(Stats::new([("new", None::<u64>)]).is_empty());
    }

    #[test]
    fn samples_say_what_changed() {
        let samples = [
            stats(&[("memory_remaining", 0), ("memory_total", 9), ("operation", 5)]),
            stats(&[("memory_remaining", 7), ("memory_total", 9), ("operation", 5)]),
            stats(&[("memory_remaining", 0), ("memory_total", 9), ("operation", 5)]),
        ];
        let (mut reader, mut written) = (Stats::default(), Vec::new());
        for sample in samples {
            let changed = sample.changed_since(&reader);
            reader.update(&changed);
            written.push(serde_json::to_string(&changed).unwrap());
        }
        assert_eq!(
            written,
            [r#"{"memory_total":9}"#, r#"{"memory_remaining":7}"#, r#"{"memory_remaining":0}"#]
        );
    }

    /// Every sequence of four samples in which the memory's figure and the sum are missing, 0 or 1.
    #[test]
    fn samples_add_up_to_the_whole_for_a_reader() {
        const NAMES: [&str; 2] = ["memory_remaining", "data_remaining"];
        let values = [None, Some(0), Some(1)];
        let figures: Vec<[Option<u64>; 2]> =
            values.iter().flat_map(|memory| values.map(|sum| [*memory, sum])).collect();
        for sequence in 0..figures.len().pow(4) {
            let (mut knows, mut reader) = (Stats::default(), Stats::default());
            for place in 0..4 {
                let given = figures[sequence / figures.len().pow(place) % figures.len()];
                let sample = Stats::new(NAMES.into_iter().zip(given).filter(|(_, value)| value.is_some()));
                let changed = sample.changed_since(&knows);
                knows.update(&changed);
                reader.update(&serde_json::from_str(&serde_json::to_string(&changed).unwrap()).unwrap());
                for (name, value) in NAMES.into_iter().zip(given) {
                    let read = reader.number(name).unwrap_or(0);
                    assert!(value.is_none_or(|value| value == read), "{name} in {sequence}, {place}: {read}");
                }
            }
        }
    }

    #[test]
    fn the_dirty_rate_is_in_bytes() {
        assert_eq!(stats(&[("memory_dirty_rate", 10)]).dirty_bytes_per_s(), Some(40_960));
        assert_eq!(
            stats(&[("memory_dirty_rate", 10), ("memory_page_size", 100)]).dirty_bytes_per_s(),
            Some(1000)
        );
    }
}
