//! Series: one number in each run, which comparisons compare between the sides.

/// A metric of a scenario or of a group in every run, BASE's runs first. The numbers are natural logarithms, so that a
/// difference is a factor. A run that does not have the metric has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series(pub Vec<Option<f64>>);

/// A way to deal the runs into sides: true for each run that is one of NEW's.
pub type Deal = [bool];

/// The sums over the runs of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    pub count: u32,
    sum: f64,
    squares: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }

    /// The squared distances of the runs from their mean.
    fn scatter(self) -> f64 {
        self.mean().map_or(0.0, |mean| (self.squares - mean * self.sum).max(0.0))
    }
}

/// Both sides of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sides {
    pub base: Sum,
    pub new: Sum,
}

impl Sides {
    /// The distance of NEW above BASE; none if a side has no value.
    pub fn shift(self) -> Option<f64> {
        Some(self.new.mean()? - self.base.mean()?)
    }

    /// The squared distances of the runs from the mean of their side.
    pub fn scatter(self) -> f64 {
        self.base.scatter() + self.new.scatter()
    }

    /// The degrees of freedom of these distances: each side takes one.
    pub fn free(self) -> u32 {
        self.base.count.saturating_sub(1) + self.new.count.saturating_sub(1)
    }
}

impl Series {
    pub fn sides(&self, deal: &Deal) -> Sides {
        let mut sides = Sides::default();
        for (value, is_new) in self.0.iter().zip(deal) {
            if let Some(value) = value {
                if *is_new { sides.new.add(*value) } else { sides.base.add(*value) }
            }
        }
        sides
    }

    /// The mean over all runs with a value.
    pub fn level(&self) -> Option<f64> {
        let mut all = Sum::default();
        self.0.iter().flatten().for_each(|value| all.add(*value));
        all.mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_the_mean_of_the_runs_that_have_it() {
        let series = Series(vec![Some(1.0), None, Some(3.0), Some(7.0)]);
        let sides = series.sides(&[false, false, false, true]);
        assert_eq!((sides.shift(), sides.scatter(), sides.free()), (Some(5.0), 2.0, 1));
        assert_eq!((sides.base.count, sides.new.count), (2, 1));
        assert_eq!(series.sides(&[false, true, false, false]).shift(), None, "NEW has no value");
        assert_eq!(series.level(), Some(11.0 / 3.0));
    }
}
