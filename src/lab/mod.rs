//! The practice fleet: a real sshd per host, a real HAProxy and real web applications on loopback, and incidents to break it with.
//!
//! Used by `runbook lab`, the demo, the end-to-end tests and the benchmarks. It judges the product, so it uses none of the
//! product's own paths to hosts, balancers or inventories: its HAProxy, SSH and HTTP lines are its own.
//!
//! Needs Linux, `sshd`, `haproxy`, `runit` and `setsid`; needs no root, works as root too. Everything listens on loopback
//! addresses that the fleet chose for itself, so several fleets run side by side.
//!
//! | path in the fleet's directory | what |
//! |---|---|
//! | `fleet.json` | identity, addresses, every process that was started |
//! | `inventory.yaml`, `known_hosts`, `keys/user` | what the product is given |
//! | `lb-01/haproxy.cfg`, `lb-01/run/admin.sock` | the balancer (the socket moves when the path is long) |
//! | `web-NN/app.conf`, `web-NN/site/`, `web-NN/check-config` | the web application, its pages, its validator |
//! | `home` of a host | home of the login user; the product keeps its records there |
//! | `HOST/service/` | runit's services (`SVDIR`): `haproxy` or `app` |
//! | `HOST/log/`, `HOST/sshd_config`, `HOST/host_key` | the rest of a host |
//!
//! A reload of HAProxy is `sv hup haproxy` (master-worker mode, listeners handed over); `sv restart app` frees the memory of
//! a web application. The formula of "available memory" stands in [`memory`].

pub mod app;
pub mod command;
pub mod http;
pub mod incident;
pub mod load;
pub mod memory;
pub mod process;
pub mod status;

mod address;
mod balancer;
mod deadline;
mod end;
mod error;
mod fingerprint;
mod fleet;
mod inventory;
mod layout;
mod lock;
mod service;
mod sshd;

pub use address::MOST_WEB;
pub use balancer::Member;
pub use command::LabCommand;
pub use error::LabError;
pub use fingerprint::Fingerprint;
pub use fleet::{Fleet, Options};
pub use incident::{Balance, Incident, Variant};
pub use layout::{HostState, LB, Layout, MASTER, OWN_RECORDS, POOL, Recorded, State};
