//! The file `store`: that this directory is a store, in which format, and which one of all stores it is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::JournalError;
use crate::layout::FORMAT_VERSION;
use crate::segment::{JOURNAL_DIRECTORY, list_segments};
use crate::storage::{Storage, TEMPORARY_SUFFIX};

/// The name of the file in the data directory.
pub(crate) const STORE_FILE: &str = "store";
const TITLE: &str = "orderline store";

/// The identity of the store in a directory.
///
/// # Errors
/// If the directory holds no store, or one that cannot be read.
pub fn store_id(storage: &dyn Storage) -> Result<u128, JournalError> {
    read_store(storage)?.ok_or_else(|| JournalError::NoStore { path: storage.path(STORE_FILE) })
}

/// Reads the identity of an existing store.
pub(crate) fn read_store(storage: &dyn Storage) -> Result<Option<u128>, JournalError> {
    let Some(bytes) = storage.read_small(STORE_FILE)? else {
        return Ok(None);
    };
    let path = storage.path(STORE_FILE);
    let text = String::from_utf8_lossy(&bytes);
    let version = text
        .strip_prefix(TITLE)
        .and_then(|rest| rest.strip_prefix("\nformat "))
        .and_then(|rest| rest.lines().next());
    match version {
        Some(version) if version != FORMAT_VERSION.to_string() => {
            let found = version.escape_debug().to_string();
            return Err(JournalError::UnknownVersion { path, found, known: FORMAT_VERSION });
        }
        _ => {}
    }
    // The text is compared whole with what this build would write, so that no damage can hide in it.
    let id = text.lines().nth(2).and_then(|line| u128::from_str_radix(line.strip_prefix("id ")?, 16).ok());
    match id {
        Some(id) if store_text(id) == text => Ok(Some(id)),
        _ => Err(JournalError::Corrupt {
            path,
            offset: 0,
            what: "the store file",
            expected: "its title, format and id with their checksum".into(),
            found: text.chars().take(80).collect::<String>().escape_debug().to_string().into(),
            proof: "this file is written once and replaced as a whole".into(),
        }),
    }
}

/// Reads the identity, or makes one for an empty directory.
pub(crate) fn read_or_create_store(
    storage: &dyn Storage,
    wanted: Option<u128>,
) -> Result<u128, JournalError> {
    let path = storage.path(STORE_FILE);
    if let Some(found) = read_store(storage)? {
        // Whoever made it may have been killed before it was durable, and what is acknowledged from here on needs it.
        let file = storage.open(STORE_FILE, false)?;
        file.sync(0..file.len()?)?;
        storage.sync_directory("")?;
        return match wanted {
            Some(expected) if expected != found => Err(JournalError::ForeignStore { path, expected, found }),
            _ => Ok(found),
        };
    }
    let segments = list_segments(storage)?;
    if let Some(first) = segments.first() {
        let found = format!("{} journal segments from {first} on", segments.len());
        return Err(JournalError::StoreFileMissing { path, found });
    }
    let id = match wanted {
        Some(id) => id,
        None => random_id()?,
    };
    storage.create_directory(JOURNAL_DIRECTORY)?;
    // An older attempt's file must not come back under this one's name.
    let temporary = format!("{STORE_FILE}{TEMPORARY_SUFFIX}");
    if storage.list("")?.contains(&temporary) {
        storage.remove(&temporary)?;
        storage.sync_directory("")?;
    }
    write_store(storage, id)?;
    Ok(id)
}

/// Writes the identity of a store.
pub(crate) fn write_store(storage: &dyn Storage, id: u128) -> Result<(), JournalError> {
    storage.write_small(STORE_FILE, store_text(id).as_bytes())
}

fn store_text(id: u128) -> String {
    let body = format!("{TITLE}\nformat {FORMAT_VERSION}\nid {id:032x}\n");
    format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()))
}

fn random_id() -> Result<u128, JournalError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| JournalError::io("read", path, source))?;
    Ok(u128::from_le_bytes(bytes))
}
