//! Numbers in the texts of a comparison.

/// A factor: `x1.50`.
pub fn times(factor: f64) -> String {
    format!("x{factor:.2}")
}

/// A probability, to four places.
pub fn probability(p: f64) -> String {
    if p < 0.0001 { "<0.0001".into() } else { format!("{p:.4}") }
}
