//! Placements through TCP and back: the client, the gateway and the door, before an engine that only answers.
//!
//! Prints orders a second with many orders a frame and with one, over one connection and over several, and how long
//! a single call takes. `cargo bench -p orderline-gateway --bench wire`.

use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use orderline_client::{Client, ClientError, ClientOptions, wait};
use orderline_core::door::{EngineEnd, Opened, Task, Work, door};
use orderline_gateway::{Gateway, GatewayOptions};
use orderline_journal::{Watermark, WatermarkPublisher};
use orderline_protocol::command::{OrderLine, PlaceOrder, RawCommand};
use orderline_protocol::reply::{Outcome, REPLY_HEADER_BYTES, ReplyHeader};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, OrderId, SellerHandle, SessionHandle, SkuHandle,
};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

const SECONDS: u64 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parker = Parker::new();
    let (publisher, watermark) = Watermark::new(0);
    let options = GatewayOptions { connections_max: 64, ..GatewayOptions::default() };
    let capacity = options.door_capacity();
    let (front, end) = door(capacity, parker.unparker().clone(), watermark);
    let gateway = Gateway::bind("127.0.0.1:0".parse()?, front, options)?;
    let (addr, handle, stats) = (gateway.local_addr(), gateway.handle(), gateway.stats());
    let serving = std::thread::spawn(move || gateway.run());
    let deciding = std::thread::spawn(move || answer_all(&end, &parker, &publisher));

    encode();
    for (connections, commands_per_frame_max) in [(1, u16::MAX), (4, u16::MAX), (1, 1), (4, 1), (4, 16)] {
        let options = ClientOptions { commands_per_frame_max, ..ClientOptions::default() };
        let mut clients: Vec<_> = (0..connections)
            .map(|_| Client::connect(addr, options.clone()))
            .collect::<Result<_, ClientError>>()?;
        let turns = stats.turns.load(std::sync::atomic::Ordering::Relaxed);
        let (acked, elapsed) = flood(&mut clients)?;
        let turns = stats.turns.load(std::sync::atomic::Ordering::Relaxed) - turns;
        eprintln!(
            "connections {connections}, orders a frame {commands_per_frame_max:>5}: {:>9.0} orders/s, \
             {:>5.0} orders a turn",
            acked as f64 / elapsed.as_secs_f64(),
            acked as f64 / turns as f64,
        );
    }
    let mut client = Client::connect(addr, ClientOptions::default())?;
    let started = Instant::now();
    for number in 0..20_000 {
        let (head, lines) = placement(number);
        client.call(&Command::PlaceOrder(&head, &lines, ""))?;
    }
    eprintln!("one call at a time: {:.1} us", started.elapsed().as_secs_f64() * 1e6 / 20_000.0);
    handle.stop();
    serving.join().map_err(|_| "the gateway panicked")??;
    deciding.join().map_err(|_| "the engine panicked")?;
    Ok(())
}

fn placement(number: u64) -> (PlaceOrder, [OrderLine; 4]) {
    let line = |index: u64| OrderLine {
        sku: SkuHandle::new((number * 4 + index) as u32 % 100_000),
        quantity: U32::new(1),
        unit_price: Amount::new(999),
    };
    let head = PlaceOrder {
        order: OrderId::from_parts(1_800_000_000_000, number.into()),
        buyer: BuyerId::new(number),
        seller: SellerHandle::new(0),
        currency: CurrencyCode::new(826),
        line_count: U16::new(4),
        region: 0.into(),
        external_id_bytes: 0,
    };
    (head, [line(0), line(1), line(2), line(3)])
}

/// What encoding alone costs.
fn encode() {
    let started = Instant::now();
    let mut out = Vec::with_capacity(1 << 20);
    let count = 10_000_000;
    for number in 0..count {
        if out.len() > 1 << 19 {
            out.clear();
        }
        let (head, lines) = placement(number);
        Command::PlaceOrder(&head, &lines, "").write(number, &mut out);
    }
    eprintln!("encode: {:.1} M placements/s", count as f64 / started.elapsed().as_secs_f64() / 1e6);
}

fn flood(clients: &mut [Client]) -> Result<(u64, Duration), ClientError> {
    let (mut number, mut acked) = (0, 0);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(SECONDS) {
        let mut progress = 0;
        for client in &mut *clients {
            for _ in 0..client.credits_left().min(2048) {
                let (head, lines) = placement(number);
                client.submit(&Command::PlaceOrder(&head, &lines, ""))?;
                number += 1;
            }
            progress += client.pump(|_| ())?;
        }
        acked += progress as u64;
        if progress == 0 {
            wait(&*clients, Duration::from_millis(100))?;
        }
    }
    Ok((acked, started.elapsed()))
}

/// An engine that accepts everything, and a disk that is always done at once.
fn answer_all(end: &EngineEnd, parker: &Parker, publisher: &WatermarkPublisher) {
    let (mut sequence, mut sessions) = (0, 0);
    loop {
        while let Some(mut work) = end.take() {
            match work.task {
                Task::OpenSession { .. } => {
                    sequence += 1;
                    work.opened = Opened::Session { handle: SessionHandle::new(sessions), last_request: 0 };
                    sessions += 1;
                }
                Task::Commands(..) => sequence = accept(&mut work, sequence),
            }
            work.release_at = sequence;
            publisher.publish(sequence);
            end.hand_back(work, sequence);
        }
        if end.is_closed() {
            return;
        }
        parker.park_timeout(Duration::from_millis(100));
    }
}

fn accept(work: &mut Work, mut sequence: u64) -> u64 {
    let input = std::mem::take(&mut work.input);
    for index in 0..work.payloads.len() {
        let mut rest = &input[work.payloads[index].clone()];
        while let Ok(raw) = RawCommand::take(&mut rest) {
            sequence += 1;
            let header = ReplyHeader {
                bytes: U32::new(REPLY_HEADER_BYTES as u32),
                outcome: Outcome::Accepted as u8,
                state: 1,
                code: U16::ZERO,
                request: U64::new(raw.request),
                sequence: U64::new(sequence),
                detail: U64::ZERO,
                subject: U32::ZERO,
                version: U32::new(1),
            };
            work.push_reply(REPLY_HEADER_BYTES, |out| out.extend_from_slice(header.as_bytes()));
        }
    }
    work.input = input;
    sequence
}
