//! Why an import cannot begin, or cannot go on.

use std::io;
use std::path::PathBuf;

/// Why an import cannot begin or cannot go on. What is wrong with an order is no error: the order is rejected with
/// a [`super::reason::Reason`] and counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// A file cannot be read.
    #[error("{}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The map is no TOML, or has a key that maps do not have.
    #[error("{}: {why}", file.display())]
    MapSyntax {
        /// The map.
        file: PathBuf,
        /// What the parser says, with line and column.
        why: String,
    },
    /// A key of the map says something that cannot be.
    #[error("{}: {key}: {why}", file.display())]
    MapKey {
        /// The map.
        file: PathBuf,
        /// The key, with the tables it stands in.
        key: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A file lacks a column that the map names.
    #[error("{}: none of its columns is called {wanted} as the map's {key} asks; it has {found}; add the right name to {key}", file.display())]
    Column {
        /// The file.
        file: PathBuf,
        /// The key that names the column.
        key: String,
        /// The names it gives.
        wanted: String,
        /// The names in the file's first line.
        found: String,
    },
    /// A file is not what a CSV file is.
    #[error("{}: line {line}: {why}", file.display())]
    Csv {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        why: String,
    },
    /// The server could not be asked any more.
    #[error(
        "the server: {0}; run the import again: what was placed stays placed and is counted again, not placed again"
    )]
    Gateway(String),
    /// The server refused what every order needs.
    #[error("{what} was refused: {why}")]
    Refused {
        /// What was to be defined.
        what: String,
        /// Why.
        why: &'static str,
    },
}
