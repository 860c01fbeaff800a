//! The orders: which guests move in which direction, step by step. Pure data.

use crate::scenario::{Direction, Order, Side};

/// One guest's move within a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Index of the guest in the fleet.
    pub guest: usize,
    pub direction: Direction,
    /// Counted from 1: the guest's own round trip that this is half of.
    pub round: u32,
}

impl Leg {
    pub fn from(&self) -> Side {
        match self.direction {
            Direction::Out => Side::Source,
            Direction::Back => Side::Target,
        }
    }

    pub fn to(&self) -> Side {
        match self.direction {
            Direction::Out => Side::Target,
            Direction::Back => Side::Source,
        }
    }
}

/// Moves that are under way at the same time. The next step begins when all of them have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub legs: Vec<Leg>,
}

impl Step {
    /// Whether the two directions of this step must overlap in time.
    pub fn crosses(&self) -> bool {
        [Direction::Out, Direction::Back]
            .iter()
            .all(|direction| self.legs.iter().any(|leg| leg.direction == *direction))
    }
}

/// The steps of `rounds` round trips of a fleet of `guests`, all of which start and end on the source.
///
/// - orderly and compressed: guest after guest goes out, then guest after guest comes back.
/// - simultaneous: all go out at once, then all come back at once.
/// - cross: the last guest goes out alone, to begin with; from then on at every step one guest goes out while the
///   one that went out before comes back; at last the one that is still out comes home alone. With more rounds the
///   rotation just continues. Needs two guests: with one there is nobody to cross.
pub fn steps(order: Order, guests: usize, rounds: u32) -> Result<Vec<Step>, String> {
    let leg = |guest, direction, round| Leg { guest, direction, round };
    let both = [Direction::Out, Direction::Back];
    match order {
        Order::Orderly | Order::Compressed => Ok((1..=rounds)
            .flat_map(|round| both.map(|direction| (round, direction)))
            .flat_map(|(round, direction)| {
                (0..guests).map(move |guest| Step { legs: vec![leg(guest, direction, round)] })
            })
            .collect()),
        Order::Simultaneous => Ok((1..=rounds)
            .flat_map(|round| both.map(|direction| (round, direction)))
            .map(|(round, direction)| Step {
                legs: (0..guests).map(|guest| leg(guest, direction, round)).collect(),
            })
            .collect()),
        Order::Cross if guests < 2 => {
            Err("the order cross needs at least 2 guests: with one there is nobody to cross".into())
        }
        Order::Cross => {
            let outbound: Vec<(usize, u32)> = (1..=rounds)
                .flat_map(|round| (0..guests).map(move |turn| ((turn + guests - 1) % guests, round)))
                .collect();
            let mut steps = Vec::with_capacity(outbound.len() + 1);
            let mut away: Option<(usize, u32)> = None;
            for (guest, round) in outbound {
                let mut legs = vec![leg(guest, Direction::Out, round)];
                legs.extend(away.map(|(guest, round)| leg(guest, Direction::Back, round)));
                steps.push(Step { legs });
                away = Some((guest, round));
            }
            steps.extend(away.map(|(guest, round)| Step { legs: vec![leg(guest, Direction::Back, round)] }));
            Ok(steps)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Plays the steps and checks what every order promises: nobody moves from where it is not, every guest makes
    /// every round trip, and all are home at the end.
    #[rstest]
    fn every_guest_makes_every_round_trip_and_comes_home(
        #[values(Order::Orderly, Order::Simultaneous, Order::Cross, Order::Compressed)] order: Order,
        #[values(2, 3, 10)] guests: usize,
        #[values(1, 2, 5)] rounds: u32,
    ) {
        let mut away = vec![false; guests];
        let mut trips = vec![0; guests];
        for step in steps(order, guests, rounds).unwrap() {
            let mut moved = std::collections::BTreeSet::new();
            for leg in &step.legs {
                assert!(moved.insert(leg.guest), "a guest cannot move twice at once");
                match leg.direction {
                    Direction::Out => {
                        assert!(!std::mem::replace(&mut away[leg.guest], true));
                        assert_eq!(leg.round, trips[leg.guest] + 1);
                    }
                    Direction::Back => {
                        assert!(std::mem::replace(&mut away[leg.guest], false));
                        trips[leg.guest] += 1;
                        assert_eq!(leg.round, trips[leg.guest]);
                    }
                }
            }
        }
        assert!(away.iter().all(|away| !away));
        assert!(trips.iter().all(|trip| *trip == rounds));
    }

    #[test]
    fn cross_has_both_directions_under_way_at_every_step_but_the_first_and_the_last() {
        let steps = steps(Order::Cross, 3, 1).unwrap();
        let text: Vec<Vec<(usize, Direction)>> = steps
            .iter()
            .map(|step| step.legs.iter().map(|leg| (leg.guest, leg.direction)).collect())
            .collect();
        use Direction::{Back, Out};
        assert_eq!(
            text,
            [vec![(2, Out)], vec![(0, Out), (2, Back)], vec![(1, Out), (0, Back)], vec![(1, Back)],]
        );
        assert_eq!(steps.iter().map(Step::crosses).collect::<Vec<_>>(), [false, true, true, false]);
    }

    #[test]
    fn one_guest_cannot_cross() {
        assert!(steps(Order::Cross, 1, 1).unwrap_err().contains("at least 2"));
    }
}
