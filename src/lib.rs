//! `runbook`: declarative remediation runbooks, compiled into a dependency graph and executed over SSH.

pub mod action;
pub mod approval;
pub mod base;
pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod engine;
pub mod inventory;
pub mod journal;
pub mod lab;
pub mod lang;
pub mod model;
pub mod notify;
pub mod plan;
pub mod report;
pub mod run;
pub mod transport;
pub mod yaml;
