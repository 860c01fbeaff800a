//! Translates the names of axes and of their values in a file into places in the table of axes.

use super::Transport;
use super::matrix::{Axes, Restriction};
use super::raw::{self, Names};
use super::table::{AXES, Axis, COUNT};
use crate::axis::AxisValue;
use crate::failure::input::{InputError, InputFile, did_you_mean, quoted};

/// The axes of a file, with the values that it declares.
pub(super) fn axes(source: InputFile<'_>, raw: &toml::Spanned<raw::Restriction>) -> Result<Axes, InputError> {
    let declared = by_axis(source, raw.get_ref(), every_value)?;
    let mut axes = Axes([const { Vec::new() }; COUNT]);
    for ((axis, values), place) in AXES.iter().zip(declared).zip(&mut axes.0) {
        *place = match values {
            Some(values) => values,
            None if axis.optional => vec![0],
            None => {
                return Err(source.error(
                    raw.span(),
                    &format!("missing axis `{}`", axis.key),
                    "",
                    &[format!("allowed: `{}`, a list of some of {}", axis.key, quoted((axis.names)()))],
                ));
            }
        };
    }
    Ok(axes)
}

/// The axes of cases beyond the matrix: any values that the program knows. An axis that `raw` does not name has the values
/// that the file declares.
pub(super) fn beyond(
    source: InputFile<'_>,
    raw: &toml::Spanned<raw::Restriction>,
    axes: &Axes,
) -> Result<Axes, InputError> {
    let mut beyond = axes.clone();
    for (values, place) in by_axis(source, raw.get_ref(), every_value)?.into_iter().zip(&mut beyond.0) {
        if let Some(values) = values {
            *place = values;
        }
    }
    Ok(beyond)
}

fn every_value(axis: &Axis) -> Vec<usize> {
    (0..(axis.names)().len()).collect()
}

/// The restriction of a `when` or `only`; the file must declare its values on its axes.
pub(super) fn restriction(
    source: InputFile<'_>,
    raw: &toml::Spanned<raw::Restriction>,
    axes: &Axes,
) -> Result<Restriction, InputError> {
    let declared = |axis: &Axis| {
        let place = AXES.iter().position(|other| other.key == axis.key);
        place.map(|place| axes.0[place].clone()).unwrap_or_default()
    };
    by_axis(source, raw.get_ref(), declared).map(Restriction)
}

/// The value of a given name.
pub(super) fn value<V: AxisValue>(
    source: InputFile<'_>,
    name: &toml::Spanned<String>,
) -> Result<V, InputError> {
    let names: Vec<&'static str> = V::all().iter().map(|value| value.name()).collect();
    place(source, name, V::AXIS, &names).map(|place| V::all()[place])
}

/// The values of every axis of the table that `raw` names, each of which must be one of those `allowed` there.
fn by_axis(
    source: InputFile<'_>,
    raw: &raw::Restriction,
    allowed: impl Fn(&Axis) -> Vec<usize>,
) -> Result<[Option<Vec<usize>>; COUNT], InputError> {
    let mut values = [const { None }; COUNT];
    // The map has the axes by name, but the message should be about the first mistake in the file.
    let mut entries: Vec<_> = raw.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, names) in entries {
        let Some(index) = AXES.iter().position(|axis| axis.key == key.get_ref()) else {
            let keys = || AXES.iter().map(|axis| axis.key);
            let mut help = vec![format!("allowed: {}", quoted(keys()))];
            help.extend(did_you_mean(key.get_ref(), keys()));
            return Err(source.error(key.span(), &format!("unknown axis `{key}`"), "", &help));
        };
        values[index] = Some(some(source, names, &AXES[index], &allowed(&AXES[index]))?);
    }
    Ok(values)
}

/// The places of `names`, each of which must be one of `allowed` and appear once.
fn some(
    source: InputFile<'_>,
    names: &Names,
    axis: &Axis,
    allowed: &[usize],
) -> Result<Vec<usize>, InputError> {
    let all = (axis.names)();
    let known: Vec<&'static str> = allowed.iter().map(|place| all[*place]).collect();
    let allowed_help = || format!("allowed: {}", quoted(known.iter().copied()));
    if names.get_ref().is_empty() {
        return Err(source.error(
            names.span(),
            &format!("no value for the axis `{}`", axis.key),
            "an empty list matches no scenario",
            &[allowed_help()],
        ));
    }
    let mut values = Vec::new();
    for name in names.get_ref() {
        let value = allowed[place(source, name, axis.key, &known)?];
        if values.contains(&value) {
            return Err(source.error(
                name.span(),
                &format!("the value `{name}` of the axis `{}` is there twice", axis.key),
                "would give two scenarios the same name",
                &[allowed_help(), "each value at most once".to_owned()],
            ));
        }
        values.push(value);
    }
    Ok(values)
}

/// The place of a name among those that are `allowed` on an axis.
fn place(
    source: InputFile<'_>,
    name: &toml::Spanned<String>,
    axis: &str,
    allowed: &[&'static str],
) -> Result<usize, InputError> {
    let what = format!("value `{name}` of the axis `{axis}`");
    source.one_of(name, &what, allowed, meant_both(name.get_ref()))
}

/// The help line for a name that is no value of an axis, but stands for an order and a transport together.
fn meant_both(name: &str) -> Option<String> {
    Transport::ALL.iter().find_map(|transport| {
        let (known, order) = transport.row().known_as?;
        (known == name).then(|| {
            format!(
                "`{name}` in a scenario's name is order = [\"{order}\"] with transport = [\"{transport}\"]"
            )
        })
    })
}
