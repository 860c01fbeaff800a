//! What is wrong with the form of an inventory, in those words of the TOML parser that have nothing of the file in them.

use super::masked::KEYS;

/// The parser's sentences about text that is no TOML, or that says something twice.
const SENTENCES: [&str; 21] = [
    "duplicate key",
    "extra `=`",
    "extra comma in array",
    "extra comma in inline table",
    "invalid basic string",
    "invalid literal string",
    "invalid multi-line basic string",
    "invalid multi-line literal string",
    "invalid key-value pair",
    "invalid unquoted key",
    "key with no value",
    "missing assignment between key-value pairs",
    "missing comma between array elements",
    "missing comma between key-value pairs",
    "missing opening quote",
    "missing value",
    "missing value for key",
    "string values must be quoted",
    "unclosed array",
    "unclosed inline table",
    "unexpected key or value",
];

/// The words, beside the keys of an inventory, in which the parser says what it expected.
const WORDS: [&str; 19] = [
    "File", "Host", "Network", "Pair", "Storage", "a", "array", "boolean", "i64", "key", "literal",
    "newline", "of", "one", "or", "sequence", "string", "struct", "value",
];

/// The parser's message without anything that it may have out of the file, except for the name of a key. A message that is not
/// known here is not repeated: whatever the parser's next version quotes may be a password.
pub(super) fn told(message: &str) -> String {
    let (what, expected) = match message.rfind(", expected ") {
        Some(at) => message.split_at(at),
        None => (message, ""),
    };
    let kind = ["invalid type", "invalid value"].into_iter().find(|kind| what.starts_with(kind));
    let Some(what) = kind.or_else(|| (SENTENCES.contains(&what) || is_of_a_key(what)).then_some(what)) else {
        return "this is not the form of an inventory".to_owned();
    };
    let mut words = expected.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').skip(2);
    let is_known = |word: &str| word == "expected" || WORDS.contains(&word) || KEYS.contains(&word);
    let expected = if words.all(|word| word.is_empty() || is_known(word)) { expected } else { "" };
    format!("{what}{expected}")
}

/// Whether this says of a key, and of nothing else, that it is missing or not known.
fn is_of_a_key(what: &str) -> bool {
    let key = ["unknown field `", "missing field `"].into_iter().find_map(|begin| what.strip_prefix(begin));
    key.and_then(|key| key.strip_suffix('`')).is_some_and(super::read::is_word)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::unknown("unknown field `adress`, expected one of `address`, `port`")]
    #[case::missing("missing field `address`")]
    #[case::no_value("key with no value, expected `=`")]
    #[case::twice("duplicate key")]
    fn what_has_no_value_is_repeated(#[case] message: &str) {
        assert_eq!(told(message), message);
    }

    #[rstest]
    #[case::of_another_type("invalid type: string \"hunter2\", expected i64", "invalid type, expected i64")]
    #[case::of_a_value_that_looks_like_it(
        "invalid type: string \"x, expected hunter2\", expected a boolean",
        "invalid type, expected a boolean"
    )]
    #[case::of_another_end("invalid type, expected i64 and not `hunter2`", "invalid type")]
    #[case::of_a_next_version("this is a wrong type: `hunter2`", "this is not the form of an inventory")]
    #[case::of_a_sentence_that_grew(
        "string values must be quoted: `hunter2`",
        "this is not the form of an inventory"
    )]
    #[case::of_more_than_a_key(
        "unknown field `password = 'hunter2'`, expected `port`",
        "this is not the form of an inventory"
    )]
    fn what_may_have_one_is_not(#[case] message: &str, #[case] expected: &str) {
        assert_eq!(told(message), expected);
    }
}
