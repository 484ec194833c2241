//! What older versions wrote: their golden files stay as they are, and what stands in them is refused in words, never
//! read as something else.

use orderline_protocol::event::{EVENT_VERSION, Event, UnreadableEvent};
use orderline_protocol::frame::{Frame, FrameError, WIRE_VERSION};

use crate::hex::{golden, read};

/// The files of version 1 with the CRC-32C of each: they are never edited.
const FILES_OF_VERSION_1: [(&str, u32); 4] = [
    ("events_v1.hex", 0xd033_f4be),
    ("commands_v1.hex", 0x705a_ae3f),
    ("replies_v1.hex", 0xe414_d71d),
    ("conversation_v1.hex", 0x3e70_38e8),
];

#[test]
fn the_files_of_version_1_are_as_they_were() {
    for (file, checksum) in FILES_OF_VERSION_1 {
        let now = crc32c::crc32c(golden(file).as_bytes());
        assert_eq!(now, checksum, "{file} was edited: its CRC-32C is {now:#010x}, not {checksum:#010x}");
    }
}

#[test]
fn events_of_version_1_are_refused() {
    let events = read(&golden("events_v1.hex"));
    assert_eq!(events.len(), 12);
    for (what, payload) in events {
        let kind = what.split(' ').next().unwrap().parse().unwrap();
        let refused = Event::read(kind, 1, &payload);
        assert_eq!(refused, Err(UnreadableEvent::Version { kind, version: 1 }), "{what}");
        assert_eq!(
            refused.unwrap_err().to_string(),
            format!("records of kind {kind} and version 1 are not known to this version of the program")
        );
    }
    assert_ne!(EVENT_VERSION, 1);
}

#[test]
fn frames_of_version_1_are_refused_by_their_headers() {
    let frames = read(&golden("conversation_v1.hex"));
    assert_eq!(frames.len(), 7);
    for (what, frame) in frames {
        // The header is enough: nobody waits for the payload of a frame that is not taken.
        for bytes in [&frame[..], &frame[..16]] {
            let refused = Frame::read(bytes).unwrap_err();
            assert_eq!(refused, FrameError::Version { found: 1 }, "{what}");
            assert_eq!(
                refused.to_string(),
                format!("the frame is of wire version 1, this program speaks version {WIRE_VERSION}")
            );
        }
    }
}
