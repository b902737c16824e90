//! End-to-end tests: the real binary against real programs on loopback, one file per subject.
#![allow(clippy::unwrap_used)]

mod lab;
//! End-to-end tests: one file per subject.
#![allow(clippy::unwrap_used)]

mod haproxy;
mod pool_record;
