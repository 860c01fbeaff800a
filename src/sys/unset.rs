//! Variables that are set to nothing, as a CI job sets the input that nobody gave: they count as not set.

use clap::Command;

/// The command line whose options, and those of its subcommands, do not read a variable that is empty now.
pub fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|option| {
            let is_empty = option.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            if is_empty { option.env(None) } else { option }
        })
        .mut_subcommands(without_empty_variables)
}
