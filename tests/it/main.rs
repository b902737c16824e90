//! End-to-end tests: one file per subject.
#![allow(clippy::unwrap_used)]

mod haproxy;
mod pool_record;
