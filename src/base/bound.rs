//! Every limit of the product in one place: name, unit, value and the reason for it.

/// Bytes of one runbook, inventory or configuration file. Hand-written files are a hundred times smaller.
pub const TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Nodes (scalars, lists, maps) of one YAML document; keeps a hostile file below 100 MB of memory.
pub const YAML_NODES: usize = 200_000;
/// Nesting of one YAML document; no readable runbook comes near it.
pub const YAML_DEPTH: usize = 64;
/// Bytes of one expression.
pub const EXPRESSION_BYTES: usize = 2 * 1024;
/// Nesting of one expression; a recursive parser must not reach the end of the stack.
pub const EXPRESSION_DEPTH: usize = 32;
/// Nodes evaluated, and kilobytes touched, by one expression; well under a second, and a hundred times what real conditions need.
pub const EXPRESSION_STEPS: usize = 2_000_000;
/// Bytes of one stream (stdout or stderr) of one attempt that are kept; the rest is dropped and marked.
pub const OUTPUT_BYTES: usize = 1024 * 1024;
/// Bytes of a remote file that an action reads to edit it.
pub const REMOTE_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an HTTP body that is kept.
pub const HTTP_BODY_BYTES: usize = 256 * 1024;
/// Bytes of one answer of a runtime socket; `show servers state` of 5,000 servers fits.
pub const SOCKET_BYTES: usize = 2 * 1024 * 1024;
/// Hosts connected to at the same time: the key exchange is CPU-bound on the controller.
pub const CONNECTS: usize = 16;
/// Channels open at the same time on one connection; OpenSSH's default `MaxSessions` is 10.
pub const CHANNELS_PER_HOST: usize = 4;
/// Seconds until a connection attempt is given up.
pub const CONNECT_TIMEOUT_S: u64 = 10;
/// Levels of loops inside loops.
pub const LOOP_DEPTH: usize = 2;
/// Bytes of one secret; a private key has a tenth of that.
pub const SECRET_BYTES: usize = 64 * 1024;
/// Runbooks called inside runbooks that are called; a person at 3 a.m. follows no longer chain.
pub const CALL_DEPTH: usize = 4;
/// Calls in one runbook, those inside the called ones included: a call is written out in full, and calls multiply.
pub const CALLS: usize = 64;
/// Seconds for which a saved plan may be applied. What it found is looked at again then; this is about what nobody looks at: a
/// decision of last week is not today's.
pub const PLAN_VALID_S: u64 = 24 * 60 * 60;
/// Bytes of a saved plan; one for 5,000 hosts and ten steps has a fifth of that.
pub const SAVED_PLAN_BYTES: u64 = 256 * 1024 * 1024;
/// Changed hosts up to which a person confirms with one key; who changes more types their number.
pub const UNCOUNTED_HOSTS: usize = 10;
