//! From the text of an inventory file to its pairs.

use std::path::Path;

use super::masked::{NO_VALUES, masked};
use super::{Folders, InventoryFile, form, raw, read};
use crate::failure::InputError;
use crate::failure::input::InputFile;

impl InventoryFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Something in it cannot be used: the message has the line and what is allowed.
    pub fn load(path: &Path, home: Option<&Path>) -> Result<InventoryFile, InputError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = "allowed: a file as fixtures/inventory.toml, which says what goes into it".to_owned();
            InputError::new(&format!("cannot read the inventory {name}: {error}"), &[help])
        })?;
        // What is entered in a ledger is undone by a command that may run anywhere.
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        InventoryFile::parse(&name, &text, &Folders { file: whole.parent().unwrap_or(Path::new("")), home })
    }

    /// Reads and checks the text of a file.
    ///
    /// # Errors
    /// Something in it cannot be used: the message has the line and what is allowed.
    pub fn parse(name: &str, text: &str, folders: &Folders<'_>) -> Result<InventoryFile, InputError> {
        let masked = masked(text);
        let source = InputFile { name, text: &masked };
        let raw: raw::File = toml::from_str(text).map_err(|error| toml_error(source, &error))?;
        let has_guests = !raw.image.is_empty() || !raw.guest.is_empty();
        read::file(source, &raw, folders).map(|pairs| InventoryFile {
            name: name.to_owned(),
            pairs,
            has_guests,
        })
    }
}

/// An error in the TOML of a text that may have passwords. `masked` is the text without its values.
fn toml_error(masked: InputFile<'_>, error: &toml::de::Error) -> InputError {
    let what = form::told(error.message());
    masked.error(error.span().unwrap_or(0..0), &what, "", &[NO_VALUES.to_owned()])
}

/// An error in the TOML of a file that was read as something else and may be an inventory: none of its values is shown.
pub(in crate::inventory) fn masked_toml_error(name: &str, text: &str, error: &toml::de::Error) -> InputError {
    toml_error(InputFile { name, text: &masked(text) }, error)
}
