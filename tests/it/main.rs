//! End-to-end tests: the real binary against real programs on loopback, one file per subject.
#![allow(clippy::unwrap_used)]

mod crash;
mod floors;
mod haproxy;
mod lab;
mod pool_record;
mod readme;
mod recover;
mod refusal;
mod site;
mod source;
mod systemd;
mod tidy;
