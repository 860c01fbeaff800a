//! Mistakes in the input, with all that the user needs to mend them: the mistake, its place, and the allowed values.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::Problem;

/// A mistake in something the user wrote: a file, or an environment variable.
///
/// `Display` is the whole message, several lines, without colours and without a trailing newline. For a mistake in a file
/// it names `FILE:LINE:COLUMN`, both counted from 1, the column in characters. The caller prints the message and exits with
/// 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    message: String,
}

impl InputError {
    /// A mistake that has no place in a file.
    pub(crate) fn new(what: &str, help: &[String]) -> Self {
        let title = Level::ERROR
            .primary_title(what)
            .elements(help.iter().map(|line| Level::HELP.message(line.as_str())));
        Self { message: Renderer::plain().render(&[title]) }
    }

    /// Several mistakes of one file, each in full.
    pub(crate) fn all(errors: impl IntoIterator<Item = InputError>) -> Self {
        let messages: Vec<String> = errors.into_iter().map(|error| error.message).collect();
        Self { message: messages.join("\n\n") }
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Problem {
        Problem::Input(error.to_string())
    }
}

/// A file under examination, for quotations in messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputFile<'a> {
    /// The file's name as the user knows it.
    pub name: &'a str,
    /// The file's content.
    pub text: &'a str,
}

impl InputFile<'_> {
    /// A mistake at `span`, a range of bytes of the text. `what` is the title, `label` stands at the caret, and the `help`
    /// lines stand below.
    pub fn error(self, span: Range<usize>, what: &str, label: &str, help: &[String]) -> InputError {
        let annotation = AnnotationKind::Primary.span(self.on_one_line(span));
        let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
        let report = Level::ERROR
            .primary_title(what)
            .element(Snippet::source(self.text).path(self.name).annotation(annotation))
            .elements(help.iter().map(|line| Level::HELP.message(line.as_str())));
        InputError { message: Renderer::plain().render(&[report]) }
    }

    /// A mistake that the `toml` crate found: bad syntax, an unknown or missing key, a value of the wrong type. The crate
    /// gives the place and the list of what it expected; the look is ours.
    pub fn toml_error(self, error: &toml::de::Error) -> InputError {
        // A key that is missing from the file as a whole has no place of its own, so the message points at the start.
        self.error(error.span().unwrap_or(0..0), error.message(), "", &[])
    }

    /// The text, which must not be empty; `what` names it in the message.
    pub fn not_empty(self, text: &toml::Spanned<String>, what: &str) -> Result<String, InputError> {
        if text.get_ref().trim().is_empty() {
            return Err(self.error(
                text.span(),
                &format!("{what} cannot be empty"),
                "",
                &["allowed: any other text".to_owned()],
            ));
        }
        Ok(text.get_ref().clone())
    }

    /// The place of a name among those that are `allowed`; `what` says what it would name. `more` is a help line for a name that
    /// is none of them.
    pub fn one_of(
        self,
        name: &toml::Spanned<String>,
        what: &str,
        allowed: &[&str],
        more: Option<String>,
    ) -> Result<usize, InputError> {
        allowed.iter().position(|known| known == name.get_ref()).ok_or_else(|| {
            let mut help = vec![format!("allowed: {}", quoted(allowed.iter().copied()))];
            help.extend(did_you_mean(name.get_ref(), allowed.iter().copied()));
            help.extend(more);
            self.error(name.span(), &format!("unknown {what}"), "", &help)
        })
    }

    /// The part of the span on its first line: one line is enough to find the place, and tables may be long.
    fn on_one_line(self, span: Range<usize>) -> Range<usize> {
        let start = span.start.min(self.text.len());
        let end = span.end.clamp(start, self.text.len());
        let first_line = self.text[start..end].find('\n').unwrap_or(end - start);
        start..start + first_line
    }
}

/// Names as messages list them.
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The help line that names the one of `allowed` closest to `given`, if one is close.
pub(crate) fn did_you_mean<'a>(given: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(given, allowed).first().map(|name| format!("did you mean `{name}`?"))
}

/// The number of similar names in a help line.
const NEAR: usize = 3;

/// The help line that names those of `allowed` closest to `given`, if any is close: several, for names that resemble each other.
pub(crate) fn suggestion<'a>(given: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = nearest(given, allowed);
    let (first, others) = near[..near.len().min(NEAR)].split_first()?;
    let also = if others.is_empty() {
        String::new()
    } else {
        format!(" Also near: {}", quoted(others.iter().copied()))
    };
    Some(format!("did you mean `{first}`?{also}"))
}

/// The names of `allowed` that are close to `given`, the closest first, each once.
fn nearest<'a>(given: &str, allowed: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let given = given.to_lowercase();
    let mut close: Vec<(usize, &str)> = allowed
        .into_iter()
        .map(|name| (strsim::levenshtein(&given, name), name))
        // A third of the letters wrong is a typing mistake; more makes another word.
        .filter(|(distance, name)| distance * 3 <= name.len())
        .collect();
    close.sort_unstable();
    close.dedup();
    close.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = ["precopy", "postcopy"];
        assert_eq!(did_you_mean("pre_copy", names), Some("did you mean `precopy`?".to_owned()));
        assert_eq!(did_you_mean("hybrid", names), None);
    }

    #[test]
    fn several_near_names_are_suggested_together() {
        let names = ["in_vms", "in_vm", "on_both", "in_vmss", "in_vmms"];
        let told = "did you mean `in_vms`? Also near: `in_vm`, `in_vmms`";
        assert_eq!(suggestion("in_vms", names), Some(told.to_owned()));
        assert_eq!(suggestion("on_bth", names), Some("did you mean `on_both`?".to_owned()));
        assert_eq!(suggestion("elsewhere", names), None);
    }

    #[test]
    fn the_message_has_place_line_caret_and_help() {
        let source = InputFile { name: "x.toml", text: "a = 1\nb = [\n 2]\n" };
        let error = source.error(10..15, "no", "here", &["allowed: 3".to_owned()]);
        assert_eq!(
            error.to_string(),
            "error: no\n --> x.toml:2:5\n  |\n2 | b = [\n  |     ^ here\n  |\n  = help: allowed: 3"
        );
    }
}
