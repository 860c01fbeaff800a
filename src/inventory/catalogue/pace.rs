//! How fast whole images are copied at least, wherever that is done.

use std::time::Duration;

/// The least bytes a second that a copy is waited for, all in all.
const SLOWEST: u64 = 1 << 20;

/// How long a copy may take beside its bytes.
const BEGIN: Duration = Duration::from_secs(60);

/// Time between two lines about a copy that goes on.
pub const COPY_NEWS: Duration = Duration::from_secs(10);

/// How long the copy of so many bytes may take.
pub fn copy_limit(bytes: u64) -> Duration {
    BEGIN + Duration::from_secs(bytes / SLOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_copy_may_take_longer() {
        assert_eq!(copy_limit(0), BEGIN);
        assert_eq!(copy_limit(20 << 30).as_secs(), 60 + (20 << 10));
    }
}
