//! The little randomness that a client needs: its session's id, and the jitter of its pauses.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use orderline_protocol::SessionId;

/// 64 bits that nobody else will draw: the standard library keys each `RandomState` from the system's randomness.
pub(crate) fn draw() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// A session's id from twice 64 random bits.
pub(crate) fn session(mut draw: impl FnMut() -> u64) -> SessionId {
    SessionId::new(u128::from(draw()) << 64 | u128::from(draw()))
}

/// A duration between half of `pause` and all of it, so that clients cut off together do not come back together.
pub(crate) fn jittered(pause: Duration, drawn: u64) -> Duration {
    let thousandths = 500 + (drawn % 501) as u32;
    pause * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_differ_and_jitter_stays_within_its_half() {
        assert_ne!(session(draw), session(draw));
        for _ in 0..100 {
            let pause = jittered(Duration::from_millis(100), draw());
            assert!((50..=100).contains(&pause.as_millis()), "{pause:?}");
        }
    }
}
