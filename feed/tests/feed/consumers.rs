//! Consumers that keep their position here.

use std::sync::Arc;

use orderline_feed::{ConsumerError, Consumers};
use orderline_journal::{MemoryStorage, Storage};

#[test]
fn positions_only_go_forward_and_outlive_a_crash() {
    let storage = MemoryStorage::new();
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let consumers = Consumers::open(shared).unwrap();
    assert!(consumers.list(9).is_empty());
    assert_eq!(consumers.commit("erp", 0, 9).unwrap().lag, 9);
    assert_eq!(consumers.commit("erp", 4, 9).unwrap().lag, 5);
    assert_eq!(consumers.commit("erp", 4, 9).unwrap().position, 4, "the same again is nothing new");
    let backwards = consumers.commit("erp", 3, 9).unwrap_err();
    assert!(matches!(backwards, ConsumerError::Backwards { at: 4, asked: 3, .. }), "{backwards}");
    let ahead = consumers.commit("erp", 10, 9).unwrap_err();
    assert!(matches!(ahead, ConsumerError::Ahead { asked: 10, durable: 9 }), "{ahead}");
    for name in ["", "a b", "../x", &"x".repeat(65)] {
        assert!(matches!(consumers.commit(name, 1, 9), Err(ConsumerError::Name { .. })), "{name:?}");
    }
    consumers.commit("mail", 9, 9).unwrap();
    // Nothing that was not synced outlives it.
    let crashed: Arc<dyn Storage> = Arc::new(storage.crash(&mut |_| 0));
    let again = Consumers::open(crashed).unwrap();
    let shown: Vec<_> = again.list(9).into_iter().map(|found| (found.name, found.position)).collect();
    assert_eq!(shown, [("erp".to_owned(), 4), ("mail".to_owned(), 9)]);
    again.remove("mail").unwrap();
    assert!(matches!(again.remove("mail"), Err(ConsumerError::Unknown { .. })));
    assert_eq!(again.get("erp", 9).unwrap().position, 4);
}

#[test]
fn a_file_that_was_changed_is_refused_by_its_name() {
    let storage = MemoryStorage::new();
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    Consumers::open(Arc::clone(&shared)).unwrap().commit("erp", 4, 9).unwrap();
    let bytes = storage.read_small("feed/consumers.json").unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "orderline-feed 1 3cd53c94\n{\"erp\":4}", "a changed layout has another version");
    storage.write_small("feed/consumers.json", text.replace(":4", ":5").as_bytes()).unwrap();
    let refused = Consumers::open(Arc::clone(&shared)).err().unwrap().to_string();
    assert!(refused.contains("consumers.json") && refused.contains("checksum"), "{refused}");
    storage.write_small("feed/consumers.json", text.replace("feed 1", "feed 2").as_bytes()).unwrap();
    let refused = Consumers::open(shared).err().unwrap().to_string();
    assert!(refused.contains("orderline-feed 2"), "{refused}");
}
