//! A full disk: orders are refused before anything is decided, reads go on, and once there is room, so does work.

use std::path::PathBuf;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use orderline_protocol::command::QueryOrder;
use orderline_protocol::frame::CloseReason;
use orderline_protocol::reply::{OrderView, Outcome};
use orderline_protocol::{Command, RejectCode, SessionId};

use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::raw::hello;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;
use crate::support::{RawConnection, Server, Shop};

/// A small file system of its own, gone when dropped.
struct SmallDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one; nothing where that is not allowed.
    fn mount(mib: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        let ended = Process::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "orderline-test"])
            .arg(&path)
            .output();
        ended.is_ok_and(|ended| ended.status.success()).then_some(Self { path, _directory: directory })
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Takes all but this much of what is free.
    fn fill_but(&self, left_bytes: u64) {
        let found = rustix::fs::statvfs(&self.path).unwrap();
        let free_bytes = found.f_bavail * found.f_frsize;
        std::fs::write(self.ballast(), vec![1; (free_bytes - left_bytes) as usize]).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(&self.path).output();
    }
}

/// Places orders, 500 at a time, until one is refused for want of room; how many were accepted before.
fn place_until_full(server: &Server, shop: &Shop, first_id: u128) -> u128 {
    let mut client = server.client();
    let lines = [shop.line(0, 1), shop.line(1, 1), shop.line(2, 1)];
    let mut accepted = 0;
    for round in 0..1_000 {
        let ids = first_id + round * 500..first_id + (round + 1) * 500;
        let mut refused = 0;
        client
            .call_all(
                ids,
                |client, id| client.submit(&Command::PlaceOrder(&shop.order(id, lines.len()), &lines, "")),
                |_, reply| match RejectCode::from_number(reply.header.code.get()) {
                    None => accepted += 1,
                    Some(RejectCode::StorageFull) => refused += 1,
                    Some(code) => panic!("refused with {code:?}"),
                },
            )
            .unwrap();
        if refused > 0 {
            return accepted;
        }
    }
    panic!("the disk never filled");
}

#[test]
fn a_full_disk_refuses_orders_until_there_is_room_again_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(64) else {
        println!("skipped: no small file system may be mounted here");
        return;
    };
    let data = disk.path.join("data");
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut client = server.client();
    let shop = Shop::open(&mut client);
    shop.place(&mut client, [1]);
    // Room for less than one segment more: the one that is prepared ahead is used up, and then none comes. It is made in step
    // with the orders that fill the one before.
    let mut placed = 1;
    while !data.join("journal/00000002.segment").exists() {
        assert!(placed < 100_000, "segment 2 was due");
        shop.place(&mut client, (1 << 101) + placed..(1 << 101) + placed + 500);
        placed += 500;
    }
    disk.fill_but(1 << 20);
    let accepted = place_until_full(&server, &shop, 1_000);
    assert!(accepted > 0);

    // A session that would be new is turned away with the reason; those that are open read on.
    let mut stranger = RawConnection::open(server.addr);
    stranger.send(&hello(SessionId::new(0xcafe)));
    assert_eq!(stranger.closed(), CloseReason::StorageFull);
    let reply = client.call(&Command::QueryOrder(&QueryOrder { order: shop.order(1, 0).order })).unwrap();
    assert_eq!(reply.header.outcome, Outcome::Answered as u8);
    assert_eq!(OrderView::read(&reply.view).unwrap().head.buyer, shop.order(1, 0).buyer);
    let line = [shop.line(0, 1)];
    let refused = client.call(&Command::PlaceOrder(&shop.order(2, 1), &line, "")).unwrap();
    assert_eq!(refused.header.code, RejectCode::StorageFull as u16);
    let (before, _) = status(&mut client);
    assert_eq!(u128::from(before.orders_total.get()), accepted + placed, "accepted orders, and no others");

    // The very order that was refused is accepted once there is room: nothing remembers the refusal.
    std::fs::remove_file(disk.ballast()).unwrap();
    let start = Instant::now();
    loop {
        let reply = client.call(&Command::PlaceOrder(&shop.order(2, 1), &line, "")).unwrap();
        if reply.header.outcome == Outcome::Accepted as u8 {
            break;
        }
        assert_eq!(reply.header.code, RejectCode::StorageFull as u16);
        assert!(start.elapsed() < Duration::from_secs(60), "work was due to go on");
        std::thread::sleep(Duration::from_millis(5));
    }
    let resumed = start.elapsed();
    shop.place(&mut client, 1 << 100..(1 << 100) + 500);
    let (after, _) = status(&mut client);
    server.kill();

    let report = verified(&data);
    let total = u64::try_from(accepted + placed).unwrap() + 1 + 500;
    assert_eq!(report["orders_total"], total, "{report}");
    assert_eq!(report["state_hash"], format!("{:032x}", after.state_hash.get()), "{report}");
    let server = Server::start(&data, NO_SNAPSHOTS);
    assert_eq!(status(&mut server.client()).0.orders_total.get(), total);
    let mut proof = Proof::of(9, "a small file system, filled and freed");
    proof.ran(1);
    proof.figure("resume_ms", resumed.as_secs_f64() * 1e3);
    proof.end();
}
