//! Golden files: paragraphs of bytes in hexadecimal under a title.

use std::fmt::Write as _;
use std::path::PathBuf;

/// Whether what is compared is to be written instead: golden files of a version that is not released yet, and the
/// made parts of the documents.
pub(crate) fn is_update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// A path in the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

/// What a golden file holds.
pub(crate) fn golden(file: &str) -> String {
    let path = path("protocol/tests/golden").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a golden file: a first line, then of each paragraph what it is, and its bytes.
pub(crate) fn text(title: &str, paragraphs: &[(String, Vec<u8>)]) -> String {
    let mut text = format!("# {title}\n");
    for (what, bytes) in paragraphs {
        write!(text, "\n# {what}").unwrap();
        for (index, byte) in bytes.iter().enumerate() {
            let gap = if index % 16 == 0 { "\n" } else { " " };
            write!(text, "{gap}{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Reads such a text back.
pub(crate) fn read(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut paragraphs: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.lines().skip(1) {
        match line.strip_prefix("# ") {
            Some(what) => paragraphs.push((what.to_owned(), Vec::new())),
            None => {
                let bytes = line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
                if let Some((_, paragraph)) = paragraphs.last_mut() {
                    paragraph.extend(bytes);
                }
            }
        }
    }
    paragraphs
}

/// Compares paragraphs with a golden file, and reads them back. `UPDATE_GOLDEN=1` writes the file: only of a version
/// that nobody has on disk yet, for older ones are kept for ever.
pub(crate) fn is_golden(file: &str, title: &str, paragraphs: &[(String, Vec<u8>)]) {
    let now = text(title, paragraphs);
    assert_eq!(read(&now), paragraphs);
    if is_update() {
        std::fs::write(path("protocol/tests/golden").join(file), &now).unwrap();
    }
    assert!(golden(file) == now, "{file} is no longer what is written, which is now:\n{now}");
}
