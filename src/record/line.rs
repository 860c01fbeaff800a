//! One line of a record: the JSON object of an event after a head that all lines have.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::outcome::Rfc3339;
use super::{Envelope, Event, RECORD_VERSION, ReportError};

/// The head of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Head {
    /// Version of the format; only in the first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    /// The time of the line by the clock of the machine that runs multivm: RFC 3339 in UTC with milliseconds. Only the first
    /// line has it, and the beginning of a part of a merged record; `t_ms` gives the time of other lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    at: Option<Rfc3339>,
    /// Milliseconds since the record was created, monotonic.
    t_ms: u64,
}

/// A line of the record, for its schema.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(title = "A line of the record of a run")]
#[expect(dead_code, reason = "only its schema is made")]
pub(super) struct Line {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    event: Event,
}

/// The text of a line of the record, with its newline.
///
/// Joining two texts keeps the head in front, where a reader of the raw file looks for it; a merged map would sort the keys.
/// Both are objects with at least one field.
pub fn text(envelope: &Envelope, event: &Event) -> serde_json::Result<String> {
    let first = matches!(event, Event::RunStarted(_));
    let anchor = first || matches!(event, Event::PartStarted(_));
    let head = Head {
        v: first.then_some(RECORD_VERSION),
        at: anchor.then_some(Rfc3339(envelope.at)),
        t_ms: envelope.t_ms,
    };
    let (head, event) = (serde_json::to_string(&head)?, serde_json::to_string(event)?);
    Ok(format!("{},{}\n", head.trim_end_matches('}'), event.trim_start_matches('{')))
}

/// Parses the lines of a record in their order.
#[derive(Debug, Default)]
pub struct Parser {
    /// The last line with a wall clock's time: that time, and its `t_ms`.
    anchor: Option<(SystemTime, u64)>,
}

/// The version comes first and alone: nothing else of another format can be relied upon.
#[derive(Deserialize)]
struct VersionField {
    v: Option<u32>,
}

impl Parser {
    /// Parses the next line, `number` of the record at `path`, once for the head and once for the event: serde's `flatten`
    /// would do it in one pass, and take the line and column out of the messages.
    ///
    /// # Errors
    /// When the line is not an event, or another multivm wrote it.
    pub fn parse(
        &mut self,
        path: &Path,
        number: usize,
        line: &[u8],
    ) -> Result<(Envelope, Event), ReportError> {
        let bad = |source| ReportError::Line { path: path.to_path_buf(), line: number, source };
        let VersionField { v } = serde_json::from_slice(line).map_err(bad)?;
        if let Some(found) = v.filter(|v| *v != RECORD_VERSION) {
            return Err(ReportError::Version { path: path.to_path_buf(), line: number, found });
        }
        let head: Head = serde_json::from_slice(line).map_err(bad)?;
        let event = serde_json::from_slice(line).map_err(bad)?;
        if let Some(Rfc3339(at)) = head.at {
            self.anchor = Some((at, head.t_ms));
        }
        Ok((Envelope { at: self.at(head.t_ms), t_ms: head.t_ms }, event))
    }

    /// The wall clock's time at `t_ms`. A record without a beginning has none, and nothing uses such a record.
    fn at(&self, t_ms: u64) -> SystemTime {
        let (at, zero) = self.anchor.unwrap_or((SystemTime::UNIX_EPOCH, 0));
        let moved = if t_ms >= zero {
            at.checked_add(Duration::from_millis(t_ms - zero))
        } else {
            at.checked_sub(Duration::from_millis(zero - t_ms))
        };
        moved.unwrap_or(at)
    }
}

/// The name of a line's event, which is near the line's beginning, without parsing the line; none if it is missing.
pub fn event_name(line: &[u8]) -> Option<&str> {
    const MARK: &str = r#","event":""#;
    let head = &line[..line.len().min(160)];
    // A name is ASCII; the text behind it may be cut within a character.
    let head = std::str::from_utf8(head)
        .unwrap_or_else(|error| std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default());
    head.split_once(MARK)?.1.split_once('"').map(|(name, _)| name)
}
