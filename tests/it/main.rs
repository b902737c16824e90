//! End-to-end tests: the real binary against real programs on loopback, one file per subject.
#![allow(clippy::unwrap_used)]

mod ansible;
mod approvals;
mod authors;
mod bad_input;
mod calls;
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
mod pages;
mod people;
mod pool_record;
mod readme;
mod rebalance;
mod recover;
mod refusal;
mod rehearse;
mod schema;
mod silences;
mod site;
mod source;
mod systemd;
mod tidy;
mod yaml_suite;
