//! How many scenarios there are, for every test that counts them.

/// The matrix: the names of `names.txt`.
pub const MATRIX: usize = 328;

/// The matrix with each of its four sizes of guests.
pub const SIZED: usize = 4 * MATRIX;

/// The computed set `smoke`: every pair of values.
pub const SMOKE: usize = 70;

/// A part of four.
pub const QUARTER: usize = MATRIX / 4;
