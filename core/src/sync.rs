//! What threads of the core meet by, named in one place: the models in `loom/` put their own under the same names and try
//! every order of what the threads do.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
pub(crate) use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

pub(crate) use crossbeam::queue::ArrayQueue;
pub(crate) use crossbeam::sync::Unparker;
pub(crate) use crossbeam::utils::CachePadded;
