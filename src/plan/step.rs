//! Steps: moves at the same time.

use std::fmt;

use super::{Direction, Side};

/// One guest's move within a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The guest's index in the fleet.
    pub guest: usize,
    pub direction: Direction,
    /// The number of the guest's own round trip, from 1, of which this is half.
    pub round: u32,
}

impl Leg {
    pub fn from(&self) -> Side {
        self.direction.from()
    }

    pub fn to(&self) -> Side {
        self.direction.to()
    }
}

/// Moves at the same time. The next step begins when all of them have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub legs: Vec<Leg>,
    crosses: bool,
}

impl Step {
    /// A step whose moves begin together, and need not overlap.
    pub fn of(legs: Vec<Leg>) -> Step {
        Step { legs, crosses: false }
    }

    /// A step in which one guest's move out must overlap another's move back.
    pub fn crossing(out: Leg, back: Leg) -> Step {
        Step { legs: vec![out, back], crosses: true }
    }

    /// Whether the two directions of this step must overlap in time.
    pub fn crosses(&self) -> bool {
        self.crosses
    }

    /// The guests that move in a direction, counted from 1.
    fn going(&self, direction: Direction) -> Vec<usize> {
        self.legs.iter().filter(|leg| leg.direction == direction).map(|leg| leg.guest + 1).collect()
    }
}

/// The step in English: `guest 1 goes out while guest 3 comes back`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, back) = (self.going(Direction::Out), self.going(Direction::Back));
        let moving = |guests: &[usize], one: &str, many: &str| {
            format!("{} {}", guests_text(guests), if guests.len() == 1 { one } else { many })
        };
        let out_text = moving(&out, "goes out", "go out together");
        let back_text = moving(&back, "comes back", "come back together");
        match (out.is_empty(), back.is_empty()) {
            (false, true) => f.write_str(&out_text),
            (true, _) => f.write_str(&back_text),
            (false, false) => write!(f, "{out_text} while {back_text}"),
        }
    }
}

/// `guest 3`, `guests 1 and 2`, `guests 1 to 10`, `guests 1, 4 and 5`.
fn guests_text(guests: &[usize]) -> String {
    let consecutive = guests.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    match guests {
        [one] => format!("guest {one}"),
        [one, other] => format!("guests {one} and {other}"),
        [first, .., last] if consecutive => format!("guests {first} to {last}"),
        [before @ .., last] => {
            let before: Vec<String> = before.iter().map(usize::to_string).collect();
            format!("guests {} and {last}", before.join(", "))
        }
        [] => "no guest".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[3], &[], "guest 3 goes out")]
    #[case(&[], &[1, 2], "guests 1 and 2 come back together")]
    #[case(&[1, 2, 3], &[], "guests 1 to 3 go out together")]
    #[case(&[1], &[3], "guest 1 goes out while guest 3 comes back")]
    #[case(&[1, 4, 5], &[2], "guests 1, 4 and 5 go out together while guest 2 comes back")]
    fn a_step_says_who_goes_where(#[case] out: &[usize], #[case] back: &[usize], #[case] text: &str) {
        let leg = |direction| move |guest: &usize| Leg { guest: guest - 1, direction, round: 1 };
        let legs = out.iter().map(leg(Direction::Out)).chain(back.iter().map(leg(Direction::Back))).collect();
        assert_eq!(Step::of(legs).to_string(), text);
    }
}
