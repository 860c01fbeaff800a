//! What the kernels of guests have said since the last scenario, of guests that are well.

use crate::guest::Guest;
use crate::remote::Observation;

/// A look at a guest after the last scenario, with lines of the guest's kernel log that nobody has judged.
#[derive(Debug, Clone, PartialEq)]
pub struct LaterLook {
    pub guest: String,
    /// The image that the guest boots from, if a catalogue has it.
    pub image: Option<String>,
    pub seen: Observation,
}

impl LaterLook {
    /// A look at a guest, if it tells anything. A whole log tells nothing: it begins before the last scenario.
    pub(super) fn of(guest: &Guest, seen: Observation) -> Option<LaterLook> {
        let has_read = !seen.kernel_log.is_empty() || seen.kernel_log_error.is_some();
        let image = guest.member.image.clone();
        (has_read && !seen.whole_log).then(|| LaterLook { guest: guest.name.clone(), image, seen })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::remote::KernelLine;

    #[test]
    fn only_new_lines_tell_what_a_kernel_said_since() {
        let guest = Guest::in_a_test("vm1");
        let quiet = Observation::in_a_test("a", Instant::now());
        let line = KernelLine { facility: 0, level: 4, sequence: 7, time_s: 1.0, text: "oops".into() };
        let told = Observation { kernel_log: vec![line], ..quiet.clone() };
        let whole = Observation { whole_log: true, ..told.clone() };
        let unread = Observation { kernel_log_error: Some("no /dev/kmsg".into()), ..quiet.clone() };
        let is_told = |seen| LaterLook::of(&guest, seen).is_some_and(|look| look.guest == "vm1");
        assert_eq!([quiet, told, whole, unread].map(is_told), [false, true, false, true]);
    }
}
