//! Bugs planted on purpose, to see that the tests catch them. They are compiled only with the feature `seeded-bugs`,
//! which no release has; the variable `ORDERLINE_BUG` then names the one that is there in this process.
//! `tests/seeded_bugs.sh` runs the tests against each, and says what caught it.

/// Whether the bug of this name is planted. Without the feature it never is, and where it is asked for costs nothing.
#[cfg(not(feature = "seeded-bugs"))]
#[inline(always)]
pub const fn is_planted(_bug: &str) -> bool {
    false
}

/// Whether the bug of this name is planted.
#[cfg(feature = "seeded-bugs")]
pub fn is_planted(bug: &str) -> bool {
    planted() == Some(bug)
}

/// The bug of this process: with the feature `seeded-bugs`, the one that `ORDERLINE_BUG` names.
#[cfg(feature = "seeded-bugs")]
pub fn planted() -> Option<&'static str> {
    static BUG: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("ORDERLINE_BUG").ok());
    BUG.as_deref()
}
