//! What the whole program promises, tried from outside: one binary, one module for each kind of promise.
//!
//! Every test has a directory and a server of its own, on a port that the system chooses, and none looks at speed.
//! Random choices come from a seed that stands in the message of the test that fails.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod access;
mod availability;
mod bad_input;
mod campaign;
mod cli;
mod console;
mod damage;
mod drill;
mod examples;
mod explain;
mod faults;
mod full_disk;
mod golden_store;
mod http;
mod http_access;
mod http_bad_input;
mod http_events;
mod http_recovery;
mod http_tls;
mod logs;
mod monitoring;
#[path = "../proof/mod.rs"]
mod proof;
mod recovery;
mod repair;
mod scribe;
mod settings;
mod several_locations;
mod support;
mod tidy;
mod traces;
mod whole_life;
mod workloads;
