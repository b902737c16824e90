//! End-to-end tests: the real binary against real programs on loopback, one file per subject.
#![allow(clippy::unwrap_used)]

mod ansible;
mod approvals;
mod bad_input;
mod controllers;
mod crash;
mod databases;
mod disks;
mod dry_run;
mod failures;
mod files;
mod fix_config;
mod floors;
mod haproxy;
mod history;
mod hostile_texts;
mod inventories;
mod lab;
mod packages;
mod people;
mod pool_record;
mod readme;
mod rebalance;
mod recover;
mod refusal;
mod silences;
mod site;
mod source;
mod systemd;
mod tidy;
mod yaml_suite;
