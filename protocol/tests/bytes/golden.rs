//! The bytes of every event, command and reply, kept for ever: what this program writes is what the files say, what
//! the files say is read as what it was, and the documents' tables alone are enough to take it apart.

use std::collections::BTreeSet;

use orderline_protocol::command::{self, CommandHeader, CommandKind, RawCommand};
use orderline_protocol::event::{self, EVENT_VERSION, EventKind, UnreadableEvent};
use orderline_protocol::{Event, Reply, reply};
use zerocopy::IntoBytes;

use crate::hex::is_golden;
use crate::samples::{each_command, each_event, each_part, replies};
use crate::seen::Seen;
use crate::tables::{COMMANDS, EVENTS, shape};

#[test]
fn events_are_written_and_read_as_ever() {
    let mut written = Vec::new();
    let mut seen = Seen::default();
    each_event(|event| {
        let mut bytes = Vec::new();
        event.write(&mut bytes);
        let kind = event.kind() as u16;
        assert_eq!(Event::read(kind, EVENT_VERSION, &bytes), Ok(event));
        let layout = EVENTS.iter().find(|layout| layout.number == kind).unwrap();
        layout.parts(&bytes).into_iter().for_each(|(table, part)| seen.note(table, part));
        written.push((kind, layout.title(&bytes), bytes));
    });
    written.sort_by_key(|(kind, ..)| *kind);
    let sampled: BTreeSet<u16> = written.iter().map(|(kind, ..)| *kind).collect();
    let all: BTreeSet<u16> = EventKind::ALL.iter().map(|&kind| kind as u16).collect();
    assert_eq!(sampled, all, "every kind has its sample");
    seen.expect_all(event::SHAPE_TABLES);
    let written: Vec<_> = written.into_iter().map(|(_, title, bytes)| (title, bytes)).collect();
    is_golden(
        "events_v5.hex",
        "Version 5 of the events: one record's payload a paragraph, without padding.",
        &written,
    );
}

#[test]
fn kinds_that_were_never_given_or_given_up_are_not_read() {
    let known = |kind: &u16| !matches!(Event::read(*kind, EVENT_VERSION, &[]), Err(UnreadableEvent::Kind(_)));
    let numbers: Vec<u16> = EventKind::ALL.iter().map(|&kind| kind as u16).collect();
    assert_eq!((0..=u16::MAX).filter(known).collect::<Vec<_>>(), numbers);
    let known = |kind: &u8| !matches!(RawCommand { request: 1, kind: *kind, body: &[] }.read(), Err(None));
    let numbers: Vec<u8> = CommandKind::ALL.iter().map(|&kind| kind as u8).collect();
    assert_eq!((0..=u8::MAX).filter(known).collect::<Vec<_>>(), numbers);
    // Ten was a delivery of lines in both.
    assert!(!numbers.contains(&10));
    assert_eq!(Event::read(10, EVENT_VERSION, &[0; 64]), Err(UnreadableEvent::Kind(10)));
}

#[test]
fn commands_are_written_and_read_as_ever() {
    let mut written = Vec::new();
    let mut sampled = BTreeSet::new();
    let mut seen = Seen::default();
    each_command(|command| {
        let mut bytes = Vec::new();
        command.write(0x0e0f, &mut bytes);
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        assert_eq!((raw.request, raw.read()), (0x0e0f, Ok(command)));
        seen.note(shape("CommandHeader").unwrap(), &bytes[..size_of::<CommandHeader>()]);
        let layout = COMMANDS.iter().find(|layout| layout.number == u16::from(raw.kind)).unwrap();
        layout.parts(raw.body).into_iter().for_each(|(table, part)| seen.note(table, part));
        sampled.insert(raw.kind);
        written.push((format!("{}, digest {:08x}", layout.title(raw.body), raw.digest()), bytes));
    });
    let all: BTreeSet<u8> = CommandKind::ALL.iter().map(|&kind| kind as u8).collect();
    assert_eq!(sampled, all, "every kind has its sample");
    seen.expect_all(command::SHAPE_TABLES);
    is_golden("commands_v5.hex", "Version 5 of the commands: one a paragraph.", &written);
}

#[test]
fn replies_are_written_and_read_as_ever() {
    let mut written = Vec::new();
    let mut outcomes = BTreeSet::new();
    let mut seen = Seen::default();
    for (what, head, view) in replies() {
        let bytes = [head.as_bytes(), &view].concat();
        let reply = Reply::take(&mut &bytes[..]).unwrap();
        assert_eq!((reply.header, reply.view), (&head, &view[..]), "{what}");
        seen.note(shape("ReplyHeader").unwrap(), head.as_bytes());
        each_part(what, &view, |name, part| seen.note(shape(name).unwrap(), part));
        outcomes.insert(head.outcome);
        written.push((what.to_owned(), bytes));
    }
    assert_eq!(outcomes.len(), reply::Outcome::ALL.len(), "every outcome has its sample");
    seen.expect_all(reply::SHAPE_TABLES);
    is_golden("replies_v5.hex", "Version 5 of the replies: one a paragraph.", &written);
}
