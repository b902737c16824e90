//! `runbook`: declarative remediation runbooks, compiled into a dependency graph, previewed, approved and carried out over SSH.
//!
//! # The one idea
//!
//! A folder stands on a floor and imports only from lower floors; folders on one floor do not know each other. Floors 0 to 5 are
//! pure: no tokio, files, network, clock, environment, randomness or printing. Text and data go in, data comes out; time is an
//! argument, identities are given. `tests/it/floors.rs` enforces both. It is what lets the same engine run live, in a replay of
//! the journal, in a preview and in tests with a clock that only moves when told to.
//!
//! # The map
//!
//! | floor | folder | what is in it |
//! |---|---|---|
//! | 0 | [`base`] | limits with their reasons, time, identities; the only place that quotes for shells and cleans text for terminals |
//! | 1 | [`diagnostic`] | a mistake in a text: code, place, help; a page per code; how it is drawn |
//! | 2 | [`model`] | what everything else talks about: runbook, inventory, pattern, action, operation, plan, event, obligation |
//! | 2 | [`yaml`] | text to nodes with positions; refuses what makes YAML dangerous |
//! | 3 | [`lang`] | the language: parse, check, templates, expressions, the JSON Schema |
//! | 3 | [`inventory`] | hosts, groups and pools; runbook's own YAML and Ansible's inventories |
//! | 3 | [`config`] | people, channels, limits, ssh options |
//! | 3 | [`action`] | one file or folder an action; `CATALOG` is the list that help, schema and planner read |
//! | 4 | [`mod@plan`] | which node does what on which host, what that means for the pools, and why it must not run |
//! | 5 | [`engine`] | state machines, what is due next, the way back, obligations, replay |
//! | 6 | [`transport`] | hosts over OpenSSH, this machine, and the wrapper that survives a lost connection |
//! | 6 | [`journal`] | events kept durably in SQLite, hash-chained; a second one in memory for tests |
//! | 6 | [`approval`] | how people are asked |
//! | 6 | [`report`] | plan, live lines, summary, timeline, status, diagram: records to text; pure as well |
//! | 6 | [`secrets`] | what the named secrets of a run are worth, read from file, environment or command; puts them in and masks them |
//! | 6 | [`notify`] | what is sent to a channel, as data; pure as well: `run` sends it |
//! | 7 | [`run`] | drives the engine: observes, performs, holds leases, tells people |
//! | 8 | [`lab`] | the practice fleet and the incidents; judges the product, so uses none of its ways to hosts |
//! | 8 | [`rehearsal`] | tests of runbooks: a simulated world for the real planner, engine, dispatcher and actions |
//! | 9 | [`cli`] | one file a command; the only place that assembles the parts and turns results into exit codes |
//!
//! # How data flows
//!
//! ```text
//! text ─ yaml ─ lang ──► Runbook ─┐
//! text ─ yaml ─ inventory ────────┼─► plan ──► Plan ──► engine ──► events ──► journal ──► report
//! hosts ─ run::observe ───────────┘    ▲ needs            ▲ answers  │ effects
//!                                      └ probes           └── run ◄──┘ (append first, then act)
//! ```
//!
//! - **Planning is a fixpoint.** `plan::plan` gets what was seen so far and answers with a plan or with the probes that it lacks;
//!   `run::planning` looks and calls again. The observer that it is given has no way to change anything.
//! - **Actions are pure.** An action says how to look, reads the answers, decides, and names operations, undo and predictions;
//!   `run::perform` carries operations out. Later steps are planned on predictions of earlier ones.
//! - **The dispatcher's turn never varies:** select, decide, append durably, apply to the state, start effects, report. Nothing
//!   is sent to a host before the journal holds that it will be. What should be running is a function of the state, so that a
//!   crash loses nothing: `resume` replays, attaches to what still runs on the hosts, and goes on.
//! - **Other people's text is data.** Remote output, file contents and labels never become a command, a template, a format
//!   string or an escape sequence: `base::quote` and `base::sanitise` are the only doors.
//! - **Errors go to who must act:** mistakes in texts are [`diagnostic`]s; calling code gets one error enum per folder; the
//!   operator gets sentences and an exit code, from `cli::exit` alone.
//!
//! # What is absent, and why
//!
//! - No agent on the hosts and nothing installed there: POSIX `sh` and what `ssh` brings must do.
//! - No password handling: keys, agents and `sudo -n`. A prompt in the middle of a run is a run that hangs at night.
//! - No server, no webhooks, no web pages yet: `triggers:` are checked, nothing listens for them. Whoever adds that adds a folder
//!   on floor 8 beside `lab`, which drives `run` as `cli` does.
//! - No other journal than SQLite: one controller machine. Pools are protected between controllers all the same, since
//!   the lease of a pool is kept on the pool's first balancer.
//! - No Ansible: its inventories are read and mean what they mean there, its templates and vaults stay closed, its plugins are not loaded,
//!   and nothing in an inventory can start a program here; tests compare with the real one.
//! - No programming in YAML: expressions cannot loop for ever, call out, or see the environment.
//! - No preludes, no folder of odds and ends, no global state.

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
pub mod rehearsal;
pub mod report;
pub mod run;
pub mod secrets;
pub mod transport;
pub mod yaml;
