//! The feed's own small files, in `feed/` of the data directory: each a line that says what it is, and JSON. Each is replaced
//! as a whole, so that after a crash the old one or the new one is there.

use orderline_journal::{JournalError, Storage};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The directory of the feed's files below the data directory.
const DIRECTORY: &str = "feed";

/// What each file begins with: the name and the version of its layout. A CRC-32C of the JSON follows, in eight hexadecimal digits.
const HEAD: &str = "orderline-feed 1 ";

/// Why what was kept cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk.
    #[error(transparent)]
    Storage(#[from] JournalError),
    /// The file is not what was written, or by another version.
    #[error(
        "{path} cannot be read: {reason}; restore it from a copy, or remove it and define anew what it held"
    )]
    Unreadable {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

pub(crate) fn make_directory(storage: &dyn Storage) -> Result<(), FileError> {
    Ok(storage.create_directory(DIRECTORY)?)
}

/// Names of the files that begin so, sorted.
pub(crate) fn names(storage: &dyn Storage, prefix: &str) -> Result<Vec<String>, FileError> {
    let names = storage.list(DIRECTORY)?.into_iter();
    Ok(names.filter(|name| name.starts_with(prefix) && name.ends_with(".json")).collect())
}

pub(crate) fn read<T: DeserializeOwned>(storage: &dyn Storage, name: &str) -> Result<Option<T>, FileError> {
    let name = format!("{DIRECTORY}/{name}");
    let Some(bytes) = storage.read_small(&name)? else { return Ok(None) };
    let parsed = parse(&bytes);
    parsed.map(Some).map_err(|reason| FileError::Unreadable { path: storage.path(&name), reason })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (head, json) = text.split_once('\n').ok_or("it has no first line")?;
    let checksum = head.strip_prefix(HEAD).ok_or_else(|| {
        format!("its first line is {head:?}, and this program reads files that begin with {HEAD:?}")
    })?;
    let found = format!("{:08x}", crc32c::crc32c(json.as_bytes()));
    if checksum != found {
        return Err(format!("its checksum is {checksum}, and what follows has {found}"));
    }
    serde_json::from_str(json).map_err(|error| error.to_string())
}

pub(crate) fn write(storage: &dyn Storage, name: &str, value: &impl Serialize) -> Result<(), FileError> {
    let name = format!("{DIRECTORY}/{name}");
    let unwritable = |error: serde_json::Error| FileError::Unreadable {
        path: storage.path(&name),
        reason: error.to_string(),
    };
    let json = serde_json::to_string(value).map_err(unwritable)?;
    let text = format!("{HEAD}{:08x}\n{json}", crc32c::crc32c(json.as_bytes()));
    Ok(storage.write_small(&name, text.as_bytes())?)
}

/// Removes a file. That it stays removed after a crash is not waited for: what comes back is known for stale, or removed again.
pub(crate) fn remove(storage: &dyn Storage, name: &str) -> Result<(), FileError> {
    Ok(storage.remove(&format!("{DIRECTORY}/{name}"))?)
}
