//! What older versions wrote: their golden files stay as they are, and what stands in them is refused in words, never
//! read as something else.

use orderline_protocol::event::{EVENT_VERSION, Event, UnreadableEvent};
use orderline_protocol::frame::{Frame, FrameError, WIRE_VERSION};

use crate::hex::{golden, read};

/// The files of the older versions with the CRC-32C of each: they are never edited.
const OLDER_FILES: [(&str, u32); 16] = [
    ("events_v1.hex", 0xd033_f4be),
    ("commands_v1.hex", 0x705a_ae3f),
    ("replies_v1.hex", 0xe414_d71d),
    ("conversation_v1.hex", 0x3e70_38e8),
    ("events_v2.hex", 0xa673_f71e),
    ("commands_v2.hex", 0x9d9f_c536),
    ("replies_v2.hex", 0xe2ff_63e5),
    ("conversation_v2.hex", 0xc310_641f),
    ("events_v3.hex", 0x47e0_ccd5),
    ("commands_v3.hex", 0x6c1f_9c45),
    ("replies_v3.hex", 0xba8f_a89b),
    ("conversation_v3.hex", 0x106e_0c7e),
    ("events_v4.hex", 0xbff9_4507),
    ("commands_v4.hex", 0x4db5_5e38),
    ("replies_v4.hex", 0x8209_9577),
    ("conversation_v4.hex", 0x5546_3500),
];

#[test]
fn the_files_of_older_versions_are_as_they_were() {
    for (file, checksum) in OLDER_FILES {
        let now = crc32c::crc32c(golden(file).as_bytes());
        assert_eq!(now, checksum, "{file} was edited: its CRC-32C is {now:#010x}, not {checksum:#010x}");
    }
}

#[test]
fn events_of_older_versions_are_refused() {
    for (version, count) in [(1, 12), (2, 60), (3, 60), (4, 62)] {
        let events = read(&golden(&format!("events_v{version}.hex")));
        assert_eq!(events.len(), count);
        for (what, payload) in events {
            let kind = what.split(' ').next().unwrap().parse().unwrap();
            let refused = Event::read(kind, version, &payload);
            assert_eq!(refused, Err(UnreadableEvent::Version { kind, version }), "{what}");
            assert_eq!(
                refused.unwrap_err().to_string(),
                format!(
                    "records of kind {kind} and version {version} are not known to this version of the program"
                )
            );
        }
        assert!(version < EVENT_VERSION);
    }
}

#[test]
fn frames_of_older_versions_are_refused_by_their_headers() {
    for (version, count) in [(1, 7), (2, 8), (3, 8), (4, 8)] {
        let frames = read(&golden(&format!("conversation_v{version}.hex")));
        assert_eq!(frames.len(), count);
        for (what, frame) in frames {
            // The header is enough: nobody waits for the payload of a frame that is not taken.
            for bytes in [&frame[..], &frame[..16]] {
                let refused = Frame::read(bytes).unwrap_err();
                assert_eq!(refused, FrameError::Version { found: version }, "{what}");
                assert_eq!(
                    refused.to_string(),
                    format!(
                        "the frame is of wire version {version}, this program speaks version {WIRE_VERSION}"
                    )
                );
            }
        }
    }
}
