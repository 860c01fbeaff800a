//! Thins measured points out for pictures.

/// At most `most` values, evenly chosen; the first and the last are always among them.
pub fn at_most<T: Clone>(values: &[T], most: usize) -> Vec<T> {
    let most = most.max(2);
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|index| values[index * (values.len() - 1) / (most - 1)].clone()).collect()
}

/// At most `most` points of a curve: the lowest and the highest of every stretch, in their order. Evenly chosen points
/// would lose the one stall that matters.
pub fn extremes(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let most = most.max(2);
    if points.len() <= most {
        return points.to_vec();
    }
    let stretches = most / 2;
    let mut kept = Vec::with_capacity(most);
    for stretch in 0..stretches {
        let part = &points[stretch * points.len() / stretches..(stretch + 1) * points.len() / stretches];
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        if let (Some(low), Some(high)) = (part.iter().min_by(by_value), part.iter().max_by(by_value)) {
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            kept.push(*first);
            if first != second {
                kept.push(*second);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_stay_as_they_are() {
        assert_eq!(at_most(&[1, 2, 3], 3), [1, 2, 3]);
        assert_eq!(extremes(&[(0.0, 1.0), (1.0, 2.0)], 2), [(0.0, 1.0), (1.0, 2.0)]);
    }

    #[test]
    fn both_ends_stay() {
        let thinned = at_most(&(0..1000).collect::<Vec<_>>(), 7);
        assert_eq!((thinned.len(), thinned[0], thinned[6]), (7, 0, 999));
    }

    #[test]
    fn the_one_stall_stays() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|at| (f64::from(at), 400.0)).collect();
        points[7_001].1 = 90_000.0;
        let thinned = extremes(&points, 100);
        assert!(thinned.len() <= 100);
        assert!(thinned.contains(&(7_001.0, 90_000.0)));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
