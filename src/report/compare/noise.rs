//! How far two runs of the same stack are apart: learnt from the two runs that are compared.
//!
//! Each scenario of a group (mode and order) has a shift. What moved all of them - a slower machine, a slower stack - moved
//! the group's centre; how far the scenarios are apart around it is the scatter from run to run, with the error of
//! measurement in it. The length of the shortest interval that holds half of them is a measure of it that up to half of
//! the scenarios cannot spoil by getting worse (Rousseeuw and Leroy, "Robust Regression and Outlier Detection", 1987, 4.4:
//! the least median of squares; the mean or the median deviation would grow with what is to be found).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::metric::Metric;
use super::summary::sorted;

/// Fewer scenarios than this say nothing about the scatter.
const LEAST: usize = 8;

/// Degrees of freedom of the distribution of the scatter.
pub const DEGREES: f64 = 8.0;

/// The scatter of a metric's shifts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scatter {
    /// Standard deviation of a shift, a natural logarithm.
    pub deviation: f64,
    /// Scenarios from which it was learnt; none: it is the usual one.
    pub learnt_from: usize,
}

impl Scatter {
    /// From the shifts of each group. Groups that are too small are left out.
    pub fn learn(metric: Metric, groups: &[Vec<f64>]) -> Scatter {
        let usual = metric.usual_scatter();
        let (mut sum, mut count) = (0.0, 0);
        for group in groups.iter().filter(|group| group.len() >= LEAST) {
            sum += spread(group).powi(2) * group.len() as f64;
            count += group.len();
        }
        if count == 0 {
            return Scatter { deviation: usual, learnt_from: 0 };
        }
        // A scatter that is too small is expensive, and few scenarios may be close by chance.
        Scatter { deviation: (sum / count as f64).sqrt().max(usual / 2.0), learnt_from: count }
    }

    /// The probability of a shift that exceeds the least that matters by so much, if it does not.
    pub fn p(self, beyond: f64) -> f64 {
        // The degrees are a constant that the constructor takes.
        StudentsT::new(0.0, 1.0, DEGREES).map_or(1.0, |t| t.sf(beyond / self.deviation))
    }

    /// By how much a shift must exceed the least that matters to have this probability.
    pub fn beyond(self, p: f64) -> f64 {
        StudentsT::new(0.0, 1.0, DEGREES).map_or(f64::INFINITY, |t| -t.inverse_cdf(p)) * self.deviation
    }
}

/// The standard deviation of normally distributed values, from the shortest interval that holds half of them. 1.4826 is for
/// endlessly many; of few values the shortest interval is shorter by chance. The factor for that is fitted to simulations
/// of 8 to 110 normally distributed values (the root of the mean square comes out right within 6 %).
fn spread(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let half = sorted.len() / 2 + 1;
    let shortest =
        sorted.windows(half).map(|window| window[half - 1] - window[0]).fold(f64::INFINITY, f64::min);
    1.4826 * (1.0 + 0.85 / (sorted.len() as f64).sqrt()) * shortest / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare::testing::Noise;

    fn normal(seed: u64, count: usize, deviation: f64) -> Vec<f64> {
        let mut noise = Noise::new(seed);
        (0..count).map(|_| noise.normal() * deviation).collect()
    }

    #[test]
    fn few_scenarios_have_the_usual_scatter() {
        let scatter = Scatter::learn(Metric::TotalTime, &[vec![0.0; 7], vec![0.1; 3]]);
        assert_eq!(scatter, Scatter { deviation: 0.4, learnt_from: 0 });
    }

    #[test]
    fn of_few_values_it_is_right_on_average() {
        for count in [8, 12, 30, 100] {
            let squares = (0..400).map(|seed| spread(&normal(seed, count, 1.0)).powi(2)).sum::<f64>();
            let deviation = (squares / 400.0).sqrt();
            assert!((0.92..1.08).contains(&deviation), "{deviation} of {count} values");
        }
    }

    #[test]
    fn equal_runs_do_not_make_it_nothing() {
        let scatter = Scatter::learn(Metric::TotalTime, &[vec![0.0; 50]]);
        assert_eq!(scatter, Scatter { deviation: 0.2, learnt_from: 50 });
    }

    #[test]
    fn it_is_learnt_around_each_centre_and_in_spite_of_those_that_got_worse() {
        let slow: Vec<f64> = normal(1, 54, 0.3).into_iter().map(|shift| shift + 2.0).collect();
        let mut some_worse = normal(2, 54, 0.3);
        some_worse[..16].iter_mut().for_each(|shift| *shift += 2.3);
        let scatter = Scatter::learn(Metric::TotalTime, &[slow, some_worse]);
        assert_eq!(scatter.learnt_from, 108);
        assert!((0.2..0.5).contains(&scatter.deviation), "{scatter:?}");
    }

    /// `scipy.stats.t.sf(2.5, 8)`, SciPy 1.17.1.
    #[test]
    fn the_tail_is_that_of_students_t() {
        let scatter = Scatter { deviation: 0.4, learnt_from: 0 };
        assert!((scatter.p(1.0) - T_SF_2_5).abs() < 1e-9, "{}", scatter.p(1.0));
        assert!((scatter.beyond(T_SF_2_5) - 1.0).abs() < 1e-6, "{}", scatter.beyond(T_SF_2_5));
    }

    const T_SF_2_5: f64 = 0.01847101885681206;
}
