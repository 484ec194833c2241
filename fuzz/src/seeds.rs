//! Writes what the fuzzers begin with: the golden files of the wire and of the disk, the examples and the documents'
//! configuration, each in the shape that its target takes. `fuzz/run.sh --seed` runs it.

#[path = "shared.rs"]
mod shared;

use std::fs;
use std::path::{Path, PathBuf};

use orderline_journal::{Reader, Start};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a seed");
}

/// The paragraphs of a golden file of the wire.
fn golden(name: &str) -> Vec<Vec<u8>> {
    let file = shared::newest(&root().join("protocol/tests/golden"), &format!("{name}_v"));
    let text = fs::read_to_string(file).expect("a golden file");
    let mut paragraphs: Vec<Vec<u8>> = Vec::new();
    for line in text.lines().skip(1) {
        if line.starts_with('#') {
            paragraphs.push(Vec::new());
        } else if let Some(last) = paragraphs.last_mut() {
            last.extend(
                line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")),
            );
        }
    }
    paragraphs
}

fn main() {
    for (number, bytes) in golden("conversation").iter().enumerate() {
        put("frames", &format!("conversation-{number:02}"), &[&[1], &bytes[..]].concat());
        put("hello", &format!("conversation-{number:02}"), &[&[1], &bytes[..]].concat());
    }
    let mut life = Vec::new();
    for (number, bytes) in golden("commands").iter().enumerate() {
        put("commands", &format!("command-{number:02}"), &[&[1, 0, 0, 0], &bytes[..]].concat());
        let body = &bytes[16..];
        life.push(bytes[4]);
        life.extend_from_slice(&(body.len() as u16).to_le_bytes());
        life.extend_from_slice(&body[..body.len().min(504)]);
        let mut frame = vec![0; 16];
        frame[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        (frame[8], frame[10]) = (3, 1);
        frame.extend_from_slice(bytes);
        put("frames", &format!("command-{number:02}"), &[&[1], &frame[..]].concat());
        put("lives", &format!("command-{number:02}"), &life[life.len() - 3 - body.len().min(504)..]);
    }
    put("lives", "all", &life);
    for (number, bytes) in golden("replies").iter().enumerate() {
        put("replies", &format!("reply-{number:02}"), &[&[0], &bytes[..]].concat());
    }
    let files = shared::golden_files();
    let journal = files.iter().filter(|(name, _)| !name.starts_with("snapshots"));
    let storage = shared::storage_of(journal.map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    let mut reader =
        Reader::open(shared::shared(storage), Start::Oldest).expect("the golden directory opens");
    let mut log = vec![3];
    while let Some(batch) = reader.next_batch(u64::MAX).expect("a batch") {
        if log.len() < 2_000 {
            log.extend_from_slice(batch.bytes());
        }
        for record in batch.records() {
            let head = [&record.kind.to_le_bytes()[..], &[record.version]].concat();
            put("records", &format!("kind-{:02}", record.kind), &[&head, record.payload].concat());
        }
    }
    put("batches", "golden", &log);
    for (number, edit) in [&[][..], &[1, 0, 1, 1, 0, 0, 3], &[3, 4, 9, 0, 0, 0], &[255, 2]].iter().enumerate()
    {
        put("recovery", &format!("edit-{number}"), edit);
        put("snapshots", &format!("file-{number}"), &[&[0], &edit[..]].concat());
        put("snapshots", &format!("section-{number}"), &[&[1], &edit[..]].concat());
    }
    let import = root().join("examples/import");
    for name in ["one-unit-rows.toml", "online-retail-ii.toml"] {
        put("import_map", name, &fs::read(import.join(name)).expect("a map"));
    }
    let rows = fs::read(import.join("one-unit-rows.csv")).expect("rows");
    put("import_rows", "one-unit-rows", &[&[0], &rows[..rows.len().min(2_000)]].concat());
    put("import_rows", "online-retail", b"\x01Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n489434,85048,LIGHTS,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom\nC489449,22087,\"BUNTING, WHITE\",-12,01/12/2009 10:33,2.95,16321,Australia\n");
    put("config", "server", b"[journal]\nsegment_mib = 64\nbackend = \"positional\"\n[gateway]\ncredits = 16\n[snapshots]\nevery_records = 5\n");
    put("config", "apply", b"[policy]\npending_order_s = 60\nretention_s = 0\nreservation_s_max = 900\n[sourcing]\neverybody = [\"fewest packages\"]\n[sourcing.sellers]\nacme = []\n[[sellers]]\ncode = \"acme\"\nstanding = \"active\"\ncommission_bp = 1000\n[[locations]]\ncode = \"here\"\nregion = 3\n[[skus]]\ncode = \"cup\"\nseller = \"acme\"\ncurrency = \"EUR\"\nbackorder_cap = 5\n");
}
