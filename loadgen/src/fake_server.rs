//! A server for tests: it speaks the wire, keeps no state to speak of, and misbehaves on request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use orderline_protocol::command::{Command, RawCommand};
use orderline_protocol::frame::{self, Frame, FrameKind, Welcome};
use orderline_protocol::reply::{Outcome, ReplyHeader};
use orderline_protocol::{RejectCode, SessionHandle};
use zerocopy::IntoBytes;

/// What the server does with orders.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    /// Orders accepted on a connection; those after it are refused for want of stock.
    pub(crate) stock: u64,
    /// Orders answered on a connection; the one after it ends connection and server.
    pub(crate) answers: u64,
    /// Answer nothing any more instead of ending.
    pub(crate) is_silent: bool,
}

/// Starts one and says where. It ends with the test.
pub(crate) fn start(manners: Manners) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut serving = Vec::new();
        // One connection is enough for the tests that end the server; others never do.
        for stream in listener.incoming().take(if manners.answers == u64::MAX { 8 } else { 1 }) {
            serving.push(thread::spawn(move || serve(stream.unwrap(), manners)));
        }
        drop(listener);
        serving.into_iter().for_each(|thread| drop(thread.join()));
    });
    addr
}

fn serve(mut stream: TcpStream, manners: Manners) {
    let mut input = Vec::new();
    let mut chunk = [0; 65536];
    let (mut orders, mut skus) = (0, 0);
    loop {
        let read = stream.read(&mut chunk).unwrap_or(0);
        if read == 0 {
            return;
        }
        input.extend_from_slice(&chunk[..read]);
        let mut taken = 0;
        let mut out = Vec::new();
        while let Some(frame) = Frame::read(&input[taken..]).unwrap() {
            taken += frame.bytes;
            match frame.kind {
                FrameKind::Hello => {
                    let welcome = Welcome {
                        last_request: 0.into(),
                        sequence: 1.into(),
                        session: SessionHandle::new(0),
                        credits: 64.into(),
                        idle_ms_max: 60_000.into(),
                        reserved: 0.into(),
                    };
                    frame::write_frame(&mut out, FrameKind::Welcome, welcome.as_bytes());
                }
                FrameKind::Commands => {
                    let start = frame::begin_frame(&mut out);
                    let mut rest = frame.payload;
                    let mut count = 0;
                    while !rest.is_empty() {
                        let raw = RawCommand::take(&mut rest).unwrap();
                        let is_order = matches!(raw.read(), Ok(Command::PlaceOrder(..)));
                        if is_order {
                            orders += 1;
                            if orders > manners.answers {
                                if manners.is_silent {
                                    continue;
                                }
                                return;
                            }
                        } else {
                            skus += 1;
                        }
                        let refused = is_order && orders > manners.stock;
                        let reply = ReplyHeader {
                            bytes: (size_of::<ReplyHeader>() as u32).into(),
                            outcome: if refused { Outcome::Rejected } else { Outcome::Accepted } as u8,
                            state: 0,
                            code: if refused { RejectCode::InsufficientStock as u16 } else { 0 }.into(),
                            request: raw.request.into(),
                            sequence: (orders + 1_000).into(),
                            detail: skus.into(),
                            subject: 0.into(),
                            version: 0.into(),
                        };
                        out.extend_from_slice(reply.as_bytes());
                        count += 1;
                    }
                    if count > 0 {
                        frame::finish_frame(&mut out, start, FrameKind::Replies, count);
                    } else {
                        out.truncate(start);
                    }
                }
                _ => {}
            }
        }
        input.drain(..taken);
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}
