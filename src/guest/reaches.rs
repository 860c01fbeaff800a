//! What is known of a guest's way to another one.

use std::time::Instant;

/// What a guest has shown of its way to another one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Reaches {
    #[default]
    Untried,
    /// The other one answered at that moment.
    Last(Instant),
    /// The other one answered multivm and not this guest, from the beginning: their network keeps guests apart.
    Apart,
}

impl Reaches {
    /// What is known after an attempt at that moment.
    pub fn after(self, is_reached: bool, now: Instant) -> Reaches {
        match self {
            _ if is_reached => Reaches::Last(now),
            Reaches::Last(last) => Reaches::Last(last),
            Reaches::Untried | Reaches::Apart => Reaches::Apart,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_network_that_keeps_guests_apart_from_the_beginning_may() {
        let [then, now] = [0, 7].map(|seconds| Instant::now() + Duration::from_secs(seconds));
        assert_eq!(Reaches::Untried.after(false, now), Reaches::Apart);
        assert_eq!(Reaches::Untried.after(true, now), Reaches::Last(now));
        assert_eq!(Reaches::Last(then).after(false, now), Reaches::Last(then));
        assert_eq!(Reaches::Last(then).after(true, now), Reaches::Last(now));
    }
}
