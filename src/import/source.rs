//! An input file, unpacked while it is read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::error::ImportError;

const BUFFER_BYTES: usize = 256 * 1024;

/// Opens a file for reading its text, unpacking it when its first bytes say that it is packed with gzip or zstd.
/// The name does not count: a file is what it is.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>, ImportError> {
    let error = |why: io::Error| ImportError::File { file: file.to_owned(), why };
    let mut packed = File::open(file).map_err(error)?;
    let mut magic = Vec::new();
    packed.by_ref().take(4).read_to_end(&mut magic).map_err(error)?;
    // The first bytes are put in front of the rest again, so that a pipe can be read as well.
    let whole = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(magic.clone()).chain(packed));
    Ok(match magic[..] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Box::new(ZstdFrames { whole: Some(Zstd::Next(whole)), file_starts: true })
        }
        _ => Box::new(whole),
    })
}

type Whole = BufReader<io::Chain<io::Cursor<Vec<u8>>, File>>;

enum Zstd {
    Next(Whole),
    Inside(Box<StreamingDecoder<Whole, ruzstd::decoding::FrameDecoder>>),
}

/// A zstd file is one frame or several, one behind the other; the decoder knows one.
struct ZstdFrames {
    whole: Option<Zstd>,
    file_starts: bool,
}

impl Read for ZstdFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::io::BufRead;
        loop {
            match self.whole.take() {
                None => return Ok(0),
                Some(Zstd::Next(mut whole)) => {
                    if !self.file_starts && whole.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.file_starts = false;
                    let decoder = StreamingDecoder::new(whole)
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
                    self.whole = Some(Zstd::Inside(Box::new(decoder)));
                }
                Some(Zstd::Inside(mut decoder)) => {
                    let bytes = decoder.read(buffer)?;
                    if bytes == 0 && !buffer.is_empty() {
                        self.whole = Some(Zstd::Next(decoder.into_inner()));
                    } else {
                        self.whole = Some(Zstd::Inside(decoder));
                        return Ok(bytes);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut text = String::new();
        open(file.path()).unwrap().read_to_string(&mut text).map(|_| text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn a_file_is_unpacked_by_its_first_bytes() {
        let text = "order,sku\n1,a\n".repeat(10_000);
        for bytes in [text.as_bytes().to_vec(), gzip(&text), zstd(&text)] {
            assert_eq!(read(&bytes).unwrap(), text);
        }
        assert_eq!((read(b"").unwrap(), read(b"a").unwrap()), (String::new(), "a".to_owned()));
    }

    #[test]
    fn pieces_packed_one_behind_the_other_are_all_read() {
        for pack in [gzip, zstd] {
            assert_eq!(read(&[pack("one\n"), pack("two\n")].concat()).unwrap(), "one\ntwo\n");
        }
    }

    #[test]
    fn a_packed_file_that_is_cut_short_is_an_error_and_not_a_shorter_file() {
        let text: String = (0..50_000).map(|row| format!("{row},{}\n", row * 7_919 % 10_007)).collect();
        for bytes in [gzip(&text), zstd(&text)] {
            assert!(read(&bytes[..bytes.len() / 2]).is_err());
        }
    }
}
