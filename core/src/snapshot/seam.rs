//! Between the engine, which walks its state, and the thread that writes the snapshot: pieces one way, empty buffers back.
//!
//! The engine never waits here. It walks on while it has an empty buffer; as many as there are bound what a snapshot takes of
//! memory beside the state, and hold the walk back where the disk is slower than the engine.

use std::sync::Arc;

use orderline_journal::Position;

use crate::state::{State, StateHash, Step};
use crate::sync::{AtomicBool, Ordering, Receiver, SyncSender, Unparker, sync_channel};

/// Bytes of a piece: written in some tens of microseconds, which is what commands wait at most.
pub(crate) const PIECE_BYTES: usize = 128 * 1024;

/// Buffers that go round; in the models of `loom/`, so few that both sides wait for them.
const BUFFERS: usize = if cfg!(loom) { 2 } else { 32 };

/// What the engine hands over, in this order.
pub(super) enum Handed {
    /// A snapshot begins: the state as it stands at this place of the journal.
    Begin(Position),
    /// Bytes of a section.
    Piece { tag: u32, bytes: Vec<u8> },
    /// That was all, and this is the hash of the state. The buffer goes back as a piece's does.
    End { hash: StateHash, bytes: Vec<u8> },
}

/// The engine's end.
pub(crate) struct WalkerEnd {
    wanted: Arc<AtomicBool>,
    handed: SyncSender<Handed>,
    empty: Receiver<Vec<u8>>,
}

/// The end of who writes snapshots.
pub struct MakerEnd {
    wanted: Arc<AtomicBool>,
    pub(super) handed: Receiver<Handed>,
    empty: SyncSender<Vec<u8>>,
    engine: Unparker,
}

/// Makes both ends; the maker wakes the engine by `engine`.
pub(crate) fn seam(engine: Unparker) -> (WalkerEnd, MakerEnd) {
    let wanted = Arc::new(AtomicBool::new(false));
    // Beside the pieces, a beginning and an end may be under way.
    let (hand, handed) = sync_channel(BUFFERS + 2);
    let (give_back, empty) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        let sent = give_back.try_send(Vec::with_capacity(PIECE_BYTES));
        assert!(sent.is_ok(), "there is room for every buffer");
    }
    let walker = WalkerEnd { wanted: Arc::clone(&wanted), handed: hand, empty };
    (walker, MakerEnd { wanted, handed, empty: give_back, engine })
}

impl WalkerEnd {
    /// Whether a snapshot has been asked for and has not begun. Once told, it is taken as begun.
    pub(crate) fn take_wish(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::AcqRel)
    }

    /// Hands over that a snapshot begins.
    pub(crate) fn begin(&self, position: Position) {
        self.hand(Handed::Begin(position));
    }

    /// Hands over a piece more of the state's walk, or its end. Says whether it did: without an empty buffer it does nothing,
    /// and the maker wakes the engine when there is one.
    pub(crate) fn walk(&self, state: &mut State) -> bool {
        let Ok(mut bytes) = self.empty.try_recv() else { return false };
        match state.walk(&mut bytes, PIECE_BYTES) {
            Step::Section(tag) => self.hand(Handed::Piece { tag, bytes }),
            Step::End(hash) => self.hand(Handed::End { hash, bytes }),
        }
        true
    }

    fn hand(&self, handed: Handed) {
        // A full channel cannot be, for there are only so many buffers; without a maker nobody needs the rest.
        let _ = self.handed.try_send(handed);
    }
}

impl MakerEnd {
    /// Asks the engine for a snapshot of the state as it then stands.
    pub(super) fn ask(&self) {
        self.wanted.store(true, Ordering::Release);
        self.engine.unpark();
    }

    /// Gives a buffer back to the engine.
    pub(super) fn give_back(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let _ = self.empty.try_send(bytes);
        self.engine.unpark();
    }
}
