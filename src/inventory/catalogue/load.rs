//! From the text of a catalogue to its images and guests.

use std::path::{Path, PathBuf};

use super::{CATALOGUE_VARIABLE, Catalogue, ListedImage, Master, MasterFiles, known, raw, read};
use crate::failure::InputError;
use crate::failure::input::InputFile;
use crate::inventory::file::{Folders, masked_toml_error};

impl Catalogue {
    /// The catalogue that an option, or the environment, names; without such a name the one at `otherwise`, if it is given. `get`
    /// looks a variable up.
    ///
    /// # Errors
    /// Something in it cannot be used: the message has the line and what is allowed.
    pub fn wanted(
        path: Option<&Path>,
        otherwise: Option<&Path>,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Catalogue>, InputError> {
        Catalogue::wanted_with(path, otherwise, MasterFiles::Needed, get)
    }

    /// The catalogue that is [wanted](Catalogue::wanted), with masters that need not be there.
    ///
    /// # Errors
    /// Something in it cannot be used: the message has the line and what is allowed.
    pub fn wanted_with(
        path: Option<&Path>,
        otherwise: Option<&Path>,
        masters: MasterFiles,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Catalogue>, InputError> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = path.map(Path::to_owned).or_else(|| set(CATALOGUE_VARIABLE));
        let path = path.or_else(|| otherwise.map(Path::to_owned));
        path.map(|path| Catalogue::load(&path, set("HOME").as_deref(), masters)).transpose()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// Something in it cannot be used: the message has the line and what is allowed.
    pub fn load(path: &Path, home: Option<&Path>, masters: MasterFiles) -> Result<Catalogue, InputError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = "allowed: a file as fixtures/guests.toml, which says what goes into it".to_owned();
            InputError::new(&format!("cannot read the catalogue {name}: {error}"), &[help])
        })?;
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folders = Folders { file: whole.parent().unwrap_or(Path::new("")), home };
        Catalogue::parse(&name, &text, &folders, masters)
    }

    /// Reads and checks the text of a file.
    ///
    /// # Errors
    /// Something in it cannot be used: the message has the line and what is allowed.
    pub fn parse(
        name: &str,
        text: &str,
        folders: &Folders<'_>,
        masters: MasterFiles,
    ) -> Result<Catalogue, InputError> {
        let source = InputFile { name, text };
        let raw: raw::File = toml::from_str(text).map_err(|error| {
            // An inventory may be a catalogue, too, and have passwords.
            if text.contains("pair") {
                masked_toml_error(name, text, &error)
            } else {
                source.toml_error(&error)
            }
        })?;
        read::catalogue(source, &raw, folders, masters)
    }

    /// Makes sure that every master which a guest boots from has the SHA-256 that the file says. What was computed is kept in the folder
    /// `cache`, so that a file that has not changed is read once.
    ///
    /// # Errors
    /// One has another, or cannot be read.
    pub fn verify(&self, cache: &Path) -> Result<(), InputError> {
        let wrong = self.images_in_use().find_map(|image| Some((image, self.wrong_file(image, cache)?)));
        wrong.map_or(Ok(()), |(image, what)| {
            let help = format!(
                "allowed: a file with that SHA-256, or `sha256` of the image `{}` left out",
                image.name
            );
            Err(InputError::new(&what, &[help]))
        })
    }

    /// Why the file of an image is not the one that is meant; none if it is, or if any will do. `cache` is as in [`Catalogue::verify`].
    pub fn wrong_file(&self, image: &ListedImage, cache: &Path) -> Option<String> {
        let Some(Master { path, sha256: Some(wanted), .. }) = &image.master else { return None };
        let (file, catalogue) = (path.display(), &self.name);
        match known::known(path, cache) {
            Err(error) => Some(format!("cannot read {file}, which {catalogue} names: {error}")),
            Ok(found) if found.sha256 != *wanted => Some(format!(
                "{file} is not the file that {catalogue} names: its SHA-256 is {}, and not {wanted}",
                found.sha256
            )),
            Ok(found) => {
                known::remember(found, cache);
                None
            }
        }
    }
}
