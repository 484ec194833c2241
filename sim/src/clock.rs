//! The clocks of a simulated world: the time that passes, and what the server's wall clock says, which may jump.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the wall clock says when a life begins, in microseconds since 1970.
const BEGIN_US: i64 = 1_700_000_000_000_000;

/// A life's clocks. Clones are the same clocks.
#[derive(Clone)]
pub struct Clock {
    now_us: Rc<Cell<u64>>,
    jumped_us: Rc<Cell<i64>>,
    begin: Instant,
}

impl Clock {
    /// Clocks at the beginning of a life.
    pub fn new() -> Self {
        Self { now_us: Rc::default(), jumped_us: Rc::default(), begin: Instant::now() }
    }

    /// Microseconds since the life began. They never go back.
    pub fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    /// Goes on to that time.
    pub fn advance(&self, to_us: u64) {
        assert!(to_us >= self.now_us.get(), "time does not go back");
        self.now_us.set(to_us);
    }

    /// What the server's wall clock says, in microseconds since 1970.
    pub fn wall_us(&self) -> i64 {
        BEGIN_US + self.now_us.get() as i64 + self.jumped_us.get()
    }

    /// Puts the wall clock forward, or back.
    pub fn jump(&self, by_us: i64) {
        self.jumped_us.set(self.jumped_us.get() + by_us);
    }

    /// The time as the client's code knows it. Only distances between such times mean anything.
    pub fn instant(&self) -> Instant {
        self.begin + Duration::from_micros(self.now_us.get())
    }

    /// Microseconds since the life began, of such a time.
    pub fn us_of(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.begin).as_micros() as u64
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
