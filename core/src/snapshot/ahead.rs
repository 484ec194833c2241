//! Reads a snapshot on a thread of its own while the caller's thread builds the state: reading is bound by the disk and by
//! checking, building by memory, and there are two cores.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use orderline_journal::{JournalError, SnapshotReader};

use crate::state::ImageError;

/// Pieces that may wait. They are a megabyte at most each; together with those in hand they fit the shared cache.
const PIECES: usize = 4;

/// What is read, in the order of the file.
enum Read {
    Section(u32),
    Piece(Vec<u8>),
    /// The file's end, and all of it was sound.
    End,
    Failed(JournalError),
}

/// The sections of a snapshot, one after the other; [`io::Read`] yields the bytes of the one that was begun.
pub(super) struct Sections {
    read: Receiver<Read>,
    empty: SyncSender<Vec<u8>>,
    /// What is known to come next.
    next: Option<Read>,
    piece: Vec<u8>,
    used: usize,
}

/// Gives a snapshot's sections to `build`, read ahead and checked.
///
/// # Errors
/// What `build` came to; damage to the file reaches it by the sections.
pub(super) fn read<T>(
    reader: SnapshotReader,
    build: impl FnOnce(&mut Sections) -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let (hand, read) = sync_channel(PIECES);
    let (empty, to_fill) = sync_channel(PIECES + 2);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("snapshot-read".to_owned())
            .spawn_scoped(scope, move || read_all(reader, &hand, &to_fill))?;
        let mut sections = Sections { read, empty, next: None, piece: Vec::new(), used: 0 };
        // Dropped before the scope ends, so that a reader who still has something to say does not wait for ever.
        let built = build(&mut sections);
        drop(sections);
        built
    })
}

/// Reads until the end, the first damage, or until nobody wants more.
fn read_all(mut reader: SnapshotReader, hand: &SyncSender<Read>, to_fill: &Receiver<Vec<u8>>) {
    loop {
        let read = match reader.next_section() {
            Ok(Some(tag)) => Read::Section(tag),
            Ok(None) => Read::End,
            Err(error) => Read::Failed(error),
        };
        let goes_on = matches!(read, Read::Section(_));
        if hand.send(read).is_err() || !goes_on {
            return;
        }
        loop {
            let read = match reader.next_chunk() {
                Ok(Some(bytes)) => {
                    let mut piece = to_fill.try_recv().unwrap_or_default();
                    piece.extend_from_slice(bytes);
                    Read::Piece(piece)
                }
                Ok(None) => break,
                Err(error) => Read::Failed(error),
            };
            let goes_on = matches!(read, Read::Piece(_));
            if hand.send(read).is_err() || !goes_on {
                return;
            }
        }
    }
}

impl Sections {
    /// The next section's tag, past what is left of the one before; nothing at the end of a file that is sound to its last byte.
    ///
    /// # Errors
    /// The damage that was found.
    pub(super) fn next_section(&mut self) -> Result<Option<u32>, ImageError> {
        loop {
            match self.next.take().map_or_else(|| self.receive(), Ok)? {
                Read::Section(tag) => {
                    self.piece.clear();
                    self.used = 0;
                    return Ok(Some(tag));
                }
                Read::Piece(_) => {}
                Read::End => return Ok(None),
                Read::Failed(error) => return Err(damaged(error)),
            }
        }
    }

    fn receive(&self) -> Result<Read, ImageError> {
        self.read.recv().map_err(|_| ImageError::Io(io::Error::other("the reading thread has gone")))
    }
}

fn damaged(error: JournalError) -> ImageError {
    ImageError::Io(io::Error::other(error))
}

impl io::Read for Sections {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.piece.len() {
            if self.next.is_none() {
                self.next = Some(self.receive().map_err(io::Error::other)?);
            }
            match self.next.take() {
                Some(Read::Piece(piece)) => {
                    let mut old = std::mem::replace(&mut self.piece, piece);
                    old.clear();
                    let _ = self.empty.try_send(old);
                    self.used = 0;
                }
                Some(Read::Failed(error)) => return Err(io::Error::other(error)),
                other => {
                    self.next = other;
                    return Ok(0);
                }
            }
        }
        let count = buffer.len().min(self.piece.len() - self.used);
        buffer[..count].copy_from_slice(&self.piece[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}
