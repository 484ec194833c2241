//! What threads of the journal meet by, named in one place: the models in `loom/` put their own under the same names and
//! try every order of what the threads do.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

pub(crate) use crossbeam::sync::Unparker;
pub(crate) use crossbeam::utils::CachePadded;
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
