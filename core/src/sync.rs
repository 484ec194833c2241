//! What publications are made of, named in one place: the models in `loom/` put their own under the same names and try
//! every order of what the threads do.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};

pub(crate) use crossbeam::utils::CachePadded;
