//! Real damage in the real lab during a real scenario: each must lead to exactly the findings that it lists, and a clean
//! scenario after it must pass.

mod checks;
mod definitions;
mod guests;
mod hangs;
mod harmless;
mod hosts;
mod loads;
mod migrations;
mod network;
mod page;
mod shared;
mod starts;
mod storage;

use std::process::ExitCode;

use multivm_fixtures::selftest::{Damage, OnPaper, damage_main};

fn main() -> ExitCode {
    damage_main(TABLES, ON_PAPER, migrations::BUDGET)
}

/// All damages, by what they befall.
const TABLES: &[&[Damage]] = &[
    guests::DAMAGES,
    loads::DAMAGES,
    migrations::DAMAGES,
    definitions::DAMAGES,
    network::DAMAGES,
    hosts::DAMAGES,
    starts::DAMAGES,
    hangs::DAMAGES,
    storage::DAMAGES,
    harmless::DAMAGES,
];

const ON_PAPER: &[OnPaper] = &[
    ("checks::each_is_found_by_a_damage", checks::each_is_found_by_a_damage),
    (
        "checks::each_that_is_left_out_has_another_that_is_played",
        checks::each_that_is_left_out_has_another_that_is_played,
    ),
    ("page::shows_every_damage", page::shows_every_damage),
];
