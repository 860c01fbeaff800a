//! README's table of axes, made of the rows of their values.

use super::{Mode, Order, SIZING_VARIABLE, Scenario, ScenarioFile, Sizing, Transport, Workload};
use crate::axis::AxisValue;
use crate::sys::page::has_table;

/// The table, a line for each axis. What no scenario of the file's matrix has is ignored unless it is asked for.
fn axes(file: &ScenarioFile) -> String {
    let lines = [
        line(file, |scenario| scenario.mode, |all| said(all, mode)),
        line(file, |scenario| scenario.order, |all| said(all, order)),
        line(file, |scenario| scenario.transport, |all| said(all, transport)),
        line(file, |scenario| scenario.location, names),
        line(file, |scenario| scenario.workload, loads),
        format!("| {} | off; with `{SIZING_VARIABLE}=1`: {} |\n", Sizing::AXIS, names(Sizing::ALL)),
    ];
    format!("| axis | values |\n| --- | --- |\n{}", lines.concat())
}

fn line<V: AxisValue>(file: &ScenarioFile, of: fn(&Scenario) -> V, list: impl Fn(&[V]) -> String) -> String {
    let is_in_matrix = |value: &V| file.scenarios().iter().any(|scenario| of(scenario) == *value);
    let (within, beyond): (Vec<V>, Vec<V>) = V::all().iter().copied().partition(is_in_matrix);
    let beyond = match beyond.as_slice() {
        [] => String::new(),
        beyond => format!("; ignored unless asked for: {}", list(beyond)),
    };
    format!("| {} | {}{beyond} |\n", V::AXIS, list(&within))
}

/// The values with what `more` says of each.
fn said<V: AxisValue>(values: &[V], more: impl Fn(V) -> String) -> String {
    let each = values.iter().map(|value| format!("`{}`: {}", value.name(), more(*value)));
    each.collect::<Vec<_>>().join("; ")
}

fn names<V: AxisValue>(values: &[V]) -> String {
    values.iter().map(|value| format!("`{}`", value.name())).collect::<Vec<_>>().join(", ")
}

fn mode(mode: Mode) -> String {
    format!("the guest {}", mode.row().text)
}

fn order(order: Order) -> String {
    let known = Transport::ALL.iter().filter_map(|transport| Some((transport, transport.row().known_as?)));
    let others = known.filter(|(_, (_, known))| *known == order);
    let others = others
        .map(|(transport, (name, _))| format!(" (by the transport `{transport}` it is called `{name}`)"));
    format!("{}{}", order.row().text, others.collect::<String>())
}

fn transport(transport: Transport) -> String {
    format!("memory is sent {}", transport.row().text)
}

/// Loads by who has them.
fn loads(loads: &[Workload]) -> String {
    let of = |who: &str, is_theirs: fn(&Workload) -> bool| {
        let theirs: Vec<Workload> = loads.iter().copied().filter(is_theirs).collect();
        (!theirs.is_empty()).then(|| format!("{who}: {}", names(&theirs)))
    };
    let all = [
        of("in guests", |load| matches!(load, Workload::Stress { share: None, .. })),
        of("on hosts", |load| matches!(load, Workload::Stress { share: Some(_), .. })),
        of("in `booting`", |load| matches!(load, Workload::Boot(_))),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What stands in README between `<!-- axes -->` and `<!-- /axes -->` is made of the rows.
#[test]
fn readme_has_the_table_of_axes() {
    let file = ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap();
    has_table("README.md", "axes", &axes(&file), "scenario::page");
}
