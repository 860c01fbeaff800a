//! A scenario and its name.

use std::fmt;
use std::str::FromStr;

use super::{Location, Mode, Order, Sizing, Transport, Workload};
use crate::axis::{AxisValue, UnknownName, quoted_names};

/// One case of the matrix: pure data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scenario {
    /// The way in which memory gets across.
    pub mode: Mode,
    /// The transport of the memory.
    pub transport: Transport,
    /// The order in which the guests move.
    pub order: Order,
    /// The place of the load.
    pub location: Location,
    /// The load.
    pub workload: Workload,
    /// The size of the guests; none for the profile's size, if the axis is off.
    pub sizing: Option<Sizing>,
}

impl Scenario {
    /// The form of every name, without its optional parts.
    pub const NAME_FORM: &'static str = "{mode}_{order}::{where}::{what}";

    /// The scenario with the first value of every axis.
    pub(super) const FIRST: Scenario = Scenario {
        mode: Mode::ALL[0],
        transport: Transport::ALL[0],
        order: Order::ALL[0],
        location: Location::ALL[0],
        workload: Workload::FIRST,
        sizing: None,
    };

    /// The scenario's name, `{mode}_{order}::{where}::{what}`, so that `cargo test -- postcopy_cross` picks a group. Behind
    /// it come `::{transport}`, unless it is plain, and `::{sizing}`, if the guests are sized.
    ///
    /// No mode or order contains `_`, and no value contains `:`, so different scenarios have different names.
    pub fn name(&self) -> String {
        self.to_string()
    }

    /// Whether the fleet itself boots while it migrates.
    pub fn boots_itself(&self) -> bool {
        matches!(self.workload, Workload::Boot(booting) if booting.row().itself)
    }

    /// The first part of the name: `{mode}_{order}`, where the order may have another name that a transport gives it.
    pub fn group(&self) -> String {
        let order = self.transport.name_of(self.order).unwrap_or(self.order.name());
        format!("{}_{order}", self.mode)
    }

    /// The group of the scenario among results, which are alike only by one transport: the first part of the name, and behind
    /// it `::{transport}`, if the name has it as a part of its own.
    pub fn result_group(&self) -> String {
        match self.named_transport() {
            Some(transport) => format!("{}::{transport}", self.group()),
            None => self.group(),
        }
    }

    /// The transport, if it is a part of the name: it is not plain, and its order has no other name by it.
    fn named_transport(&self) -> Option<Transport> {
        let is_named = self.transport != Transport::Plain && self.transport.name_of(self.order).is_none();
        is_named.then_some(self.transport)
    }
}

impl Transport {
    /// The name that the transport gives to an order, which then stands for both.
    fn name_of(self, order: Order) -> Option<&'static str> {
        self.row().known_as.filter(|(_, known)| *known == order).map(|(name, _)| name)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, workload, sizing, .. } = self;
        write!(f, "{}::{location}::{workload}", self.group())?;
        if let Some(transport) = self.named_transport() {
            write!(f, "::{transport}")?;
        }
        sizing.map_or(Ok(()), |sizing| write!(f, "::{sizing}"))
    }
}

/// Parses a name, with or without its optional parts. The file's constraints play no role here.
impl FromStr for Scenario {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let parts: Vec<&str> = name.split("::").collect();
        let [group, location, workload, optional @ ..] = &parts[..] else {
            return Err(not_of_the_form(name));
        };
        let (mode, order) = group.split_once('_').ok_or_else(|| not_of_the_form(name))?;
        let (order, known_as) = order_named(order)?;
        let (transport, sizing) = match optional {
            [] => (None, None),
            [one] => match Transport::named(one) {
                Ok(transport) => (Some(transport), None),
                Err(_) => (None, Some(sizing_or_transport(one)?)),
            },
            [first, second] => {
                let first = Transport::named(first)?;
                if let Ok(second) = Transport::named(second) {
                    return Err(second_transport("the name", first, second));
                }
                (Some(first), Some(Sizing::named(second)?))
            }
            _ => return Err(not_of_the_form(name)),
        };
        if let (Some(first), Some(second)) = (known_as, transport) {
            return Err(second_transport("the name of this order", first, second));
        }
        Ok(Self {
            mode: Mode::named(mode)?,
            transport: known_as.or(transport).unwrap_or(Transport::Plain),
            order,
            location: Location::named(location)?,
            workload: Workload::named(workload)?,
            sizing,
        })
    }
}

/// The order of a given name, with the transport if the name stands for both.
fn order_named(name: &str) -> Result<(Order, Option<Transport>), UnknownName> {
    let both = |transport: &Transport| {
        let (known, order) = transport.row().known_as?;
        (known == name).then_some((order, Some(*transport)))
    };
    if let Some(both) = Transport::ALL.iter().find_map(both) {
        return Ok(both);
    }
    Order::named(name).map(|order| (order, None)).map_err(|mut unknown| {
        let more = Transport::ALL.iter().filter_map(|transport| transport.row().known_as);
        unknown.allowed.extend(more.map(|(name, _)| format!(", `{name}`")));
        unknown
    })
}

/// Parses a name's only optional part as a size; the caller has found that it is no transport.
fn sizing_or_transport(name: &str) -> Result<Sizing, UnknownName> {
    Sizing::named(name).map_err(|unknown| UnknownName {
        axis: "sizing or transport",
        allowed: format!("{}, {}", unknown.allowed, quoted_names(Transport::ALL)),
        ..unknown
    })
}

/// The error for a transport behind a part of a name, `by`, that stands for another transport.
fn second_transport(by: &str, first: Transport, second: Transport) -> UnknownName {
    UnknownName {
        axis: "sizing",
        given: second.to_string(),
        allowed: format!(
            "{}; no second transport: {by} stands for `{first}` already, and a migration has one",
            quoted_names(Sizing::ALL)
        ),
    }
}

fn not_of_the_form(name: &str) -> UnknownName {
    UnknownName {
        axis: "scenario",
        given: name.to_owned(),
        allowed: format!(
            "the names of the form `{}`, or with `::{{transport}}` or `::{{sizing}}` or both behind it",
            Scenario::NAME_FORM
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("precopy_orderly::in_vms::stress_cpu", Order::Orderly, Transport::Plain, false)]
    #[case("precopy_compressed::booting::load_vms", Order::Orderly, Transport::Xbzrle, false)]
    #[case("precopy_compressed::booting::load_vms::set_vcpu_1", Order::Orderly, Transport::Xbzrle, true)]
    #[case("postcopy_cross::in_vms::stress_cpu::xbzrle", Order::Cross, Transport::Xbzrle, false)]
    #[case("postcopy_cross::in_vms::stress_cpu::xbzrle::set_memory_2", Order::Cross, Transport::Xbzrle, true)]
    #[case("postcopy_cross::in_vms::stress_cpu::set_memory_2", Order::Cross, Transport::Plain, true)]
    fn a_name_is_read_back(
        #[case] name: &str,
        #[case] order: Order,
        #[case] transport: Transport,
        #[case] sized: bool,
    ) {
        let scenario: Scenario = name.parse().unwrap();
        assert_eq!((scenario.order, scenario.transport), (order, transport));
        assert_eq!(scenario.sizing.is_some(), sized);
        assert_eq!(scenario.name(), name);
    }

    /// The parser accepts the long form, too, but the scenario has only one name.
    #[test]
    fn what_has_a_name_of_its_own_is_called_by_it() {
        let long: Scenario = "precopy_orderly::booting::load_vms::xbzrle".parse().unwrap();
        assert_eq!(long.name(), "precopy_compressed::booting::load_vms");
    }

    #[rstest]
    #[case("precopy_orderly::in_vms", "form")]
    #[case("precopy::in_vms::stress_cpu", "form")]
    #[case("precopy_compressed::in_vms::stress_cpu::plain", "`plain`, expected one of `set_vcpu_1`, ")]
    #[case(
        "precopy_compressed::in_vms::stress_cpu::plain",
        "no second transport: the name of this order stands for `xbzrle`"
    )]
    #[case("precopy_orderly::in_vms::stress_cpu::plain::set_vcpu_1::more", "form")]
    #[case("precopy_compress::in_vms::stress_cpu", "unknown order `compress`, expected one of `orderly`, ")]
    #[case("precopy_compress::in_vms::stress_cpu", ", `compressed`")]
    #[case(
        "precopy_orderly::in_vms::stress_cpu::rdma",
        "unknown sizing or transport `rdma`, expected one of `set_vcpu_1`"
    )]
    #[case("precopy_orderly::in_vms::stress_cpu::rdma::set_vcpu_1", "unknown transport `rdma`")]
    #[case("precopy_orderly::in_vms::stress_cpu::set_vcpu_1::xbzrle", "unknown transport `set_vcpu_1`")]
    fn what_is_no_name_says_why(#[case] name: &str, #[case] why: &str) {
        let error = name.parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
