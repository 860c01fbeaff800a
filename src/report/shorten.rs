//! Shortens texts for readers and formats with limits.

/// Cuts the middle out of a text, so that the rest costs no more than `room`: the beginning and the end matter. `whole`
/// names the place of the whole text.
pub(super) fn without_middle(text: &str, room: usize, cost: impl Fn(char) -> usize, whole: &str) -> String {
    if text.chars().map(&cost).sum::<usize>() <= room {
        return text.to_owned();
    }
    let head = beginning(text.chars(), room / 2, &cost);
    let tail = beginning(text[head..].chars().rev(), room / 2, &cost);
    let left_out = text[head..text.len() - tail].chars().count();
    format!(
        "{}\n[... {left_out} characters left out; the whole text is in {whole} ...]\n{}",
        &text[..head],
        &text[text.len() - tail..]
    )
}

/// The length in bytes of the longest beginning that costs no more than `room`.
pub(super) fn beginning(
    chars: impl Iterator<Item = char>,
    room: usize,
    cost: impl Fn(char) -> usize,
) -> usize {
    let mut spent = 0;
    let kept = chars.take_while(|char| {
        spent += cost(*char);
        spent <= room
    });
    kept.map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_loses_its_middle() {
        let text = format!("a{}z", "-".repeat(100));
        let short = without_middle(&text, 10, |_| 1, "the record");
        assert_eq!(short, "a----\n[... 92 characters left out; the whole text is in the record ...]\n----z");
        assert_eq!(without_middle(&text, 102, |_| 1, "the record"), text);
    }

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!(beginning("\u{1f4a5}\u{1f4a5}".chars(), 7, char::len_utf8), 4);
    }
}
