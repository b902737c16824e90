//! Parses arguments, calls `cli::run`, turns the result into an exit code.

fn main() {}
