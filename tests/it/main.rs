//! End-to-end tests: the real binary against real programs on loopback, one file per subject.
#![allow(clippy::unwrap_used)]

mod ansible;
mod approvals;
mod bad_input;
mod config;
mod controllers;
mod crash;
mod dry_run;
mod failures;
mod fix_config;
mod floors;
mod haproxy;
mod hostile_texts;
mod inventories;
mod lab;
mod people;
mod pool_record;
mod readme;
mod rebalance;
mod recover;
mod refusal;
mod secrets;
mod site;
mod source;
mod systemd;
mod tidy;
mod yaml_suite;
