//! A server for tests: it speaks the wire in front of a [`FakeShop`], and vanishes or falls silent on request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use orderline_protocol::SessionHandle;
use orderline_protocol::command::{Command, RawCommand};
use orderline_protocol::frame::{self, Frame, FrameKind, Welcome};
use orderline_protocol::reply::ReplyHeader;
use zerocopy::IntoBytes;

use crate::fake_shop::{FakeShop, Lie};

/// How the server behaves.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    /// Placements answered on a connection; the one after it ends connection and server.
    pub(crate) answers: u64,
    /// Answer nothing any more instead of ending.
    pub(crate) is_silent: bool,
    /// What the shop behind it does.
    pub(crate) lie: Lie,
}

/// Answers everything, truly.
pub(crate) const GOOD: Manners = Manners { answers: u64::MAX, is_silent: false, lie: Lie::No };

/// Starts one and says where, and what is behind it. It ends with the test.
pub(crate) fn start(manners: Manners) -> (SocketAddr, Arc<Mutex<FakeShop>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let shop = Arc::new(Mutex::new(FakeShop::new(manners.lie)));
    let serving_shop = Arc::clone(&shop);
    thread::spawn(move || {
        let mut serving = Vec::new();
        // One connection is enough for the tests that end the server; others never do.
        for stream in listener.incoming().take(if manners.answers == u64::MAX { 16 } else { 1 }) {
            let shop = Arc::clone(&serving_shop);
            serving.push(thread::spawn(move || serve(stream.unwrap(), manners, &shop)));
        }
        drop(listener);
        serving.into_iter().for_each(|thread| drop(thread.join()));
    });
    (addr, shop)
}

fn serve(mut stream: TcpStream, manners: Manners, shop: &Mutex<FakeShop>) {
    let mut input = Vec::new();
    let mut chunk = [0; 65536];
    let mut placements = 0;
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
                        let command = raw.read().unwrap();
                        if matches!(command, Command::PlaceOrder(..) | Command::CheckOut(..)) {
                            placements += 1;
                            if placements > manners.answers {
                                if manners.is_silent {
                                    continue;
                                }
                                return;
                            }
                        }
                        let said = shop.lock().unwrap().answer(&command);
                        let reply = ReplyHeader {
                            bytes: ((size_of::<ReplyHeader>() + said.view.len()) as u32).into(),
                            outcome: said.outcome as u8,
                            state: 0,
                            code: said.code.into(),
                            request: raw.request.into(),
                            sequence: said.sequence.into(),
                            detail: said.detail.into(),
                            subject: 0.into(),
                            version: 0.into(),
                        };
                        out.extend_from_slice(reply.as_bytes());
                        out.extend_from_slice(&said.view);
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
