//! What all choices by name have in common: a closed set of values, one row of a table for each. Every axis of the matrix is
//! such a choice, and so are the keys `sudo`, `serve_on` and `allow` of an inventory file.
//!
//! A value is a variant, so that scenarios and inventories are plain data; every fact about it is in its row. [`axis!`] makes
//! both from one list, so that a new value is a file with its row and a line that lists it. [`table!`] is for rows of which
//! an axis is composed.

use std::fmt;

use crate::failure::input::quoted;

/// A value of one choice: of an axis of the matrix, or of a key of an inventory file.
///
/// The names are what the files, scenario names and messages use; those of the matrix hold only `[a-z0-9_]`.
pub trait AxisValue: Copy + Eq + fmt::Debug + 'static {
    /// The key of the choice, in `scenarios.toml` or in an inventory file.
    const AXIS: &'static str;

    /// Every value the program knows how to run, in the order messages list them.
    fn all() -> &'static [Self];

    /// The value's name.
    fn name(self) -> &'static str;

    /// The value of that name.
    ///
    /// # Errors
    ///
    /// No value has that name; the message lists those that there are.
    fn named(name: &str) -> Result<Self, UnknownName> {
        Self::all().iter().copied().find(|value| value.name() == name).ok_or_else(|| UnknownName {
            axis: Self::AXIS,
            given: name.to_owned(),
            allowed: quoted_names(Self::all()),
        })
    }

    /// The value's place among [`AxisValue::all`].
    fn rank(self) -> usize {
        Self::all().iter().position(|other| *other == self).unwrap_or(Self::all().len())
    }
}

/// A name that is no value of its choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {axis} `{given}`, expected one of {allowed}")]
pub struct UnknownName {
    /// The key of the choice, or `scenario` for a name that does not have the parts of a scenario's name.
    pub axis: &'static str,
    /// The name that was given.
    pub given: String,
    /// The allowed names, each in backticks.
    pub allowed: String,
}

/// The names of `values` as messages list them.
pub fn quoted_names<V: AxisValue>(values: &[V]) -> String {
    quoted(values.iter().map(|value| value.name()))
}

/// `Display` and `FromStr` by name, for every choice alike.
macro_rules! by_name {
    ($axis:ty) => {
        impl std::fmt::Display for $axis {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad($crate::axis::AxisValue::name(*self))
            }
        }

        impl std::str::FromStr for $axis {
            type Err = $crate::axis::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                <$axis as $crate::axis::AxisValue>::named(name)
            }
        }
    };
}
pub(crate) use by_name;

/// A table: the enum of its values, and each with its row. A new value is a file with its row and a line here.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident, $row:ty { $($value:ident => $row_of:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $table {
            $($value,)+
        }

        impl $table {
            /// Every value, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// All that is known of the value.
            pub fn row(self) -> &'static $row {
                match self {
                    $(Self::$value => &$row_of,)+
                }
            }
        }
    };
}
pub(crate) use table;

/// A choice from its table, whose rows have a field `name`: an axis of the matrix, or a key of an inventory file.
macro_rules! axis {
    ($(#[$doc:meta])* $axis:ident, $key:literal, $row:ty { $($value:ident => $row_of:expr,)+ }) => {
        $crate::axis::table! {
            $(#[$doc])*
            $axis, $row { $($value => $row_of,)+ }
        }

        impl $crate::axis::AxisValue for $axis {
            const AXIS: &'static str = $key;

            fn all() -> &'static [Self] {
                Self::ALL
            }

            fn name(self) -> &'static str {
                self.row().name
            }
        }

        $crate::axis::by_name!($axis);
    };
}
pub(crate) use axis;

#[cfg(test)]
mod tests {
    pub struct Row {
        name: &'static str,
    }

    super::axis! {
        /// Two values.
        Colour, "colour", Row {
            Red => Row { name: "red" },
            Blue => Row { name: "blue" },
        }
    }

    #[test]
    fn an_unknown_name_lists_the_allowed_ones() {
        let error = "green".parse::<Colour>().unwrap_err().to_string();
        assert_eq!(error, "unknown colour `green`, expected one of `red`, `blue`");
    }
}
