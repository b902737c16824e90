//! End-to-end tests: the real binary against real programs on loopback.
#![allow(clippy::unwrap_used)]

mod lab;
