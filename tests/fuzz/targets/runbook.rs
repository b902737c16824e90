//! Any bytes as a runbook: it compiles, or every mistake has a place that can be drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook::action::CATALOG;
use runbook::diagnostic::{Sources, render};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = runbook::yaml::decode(bytes) else { return };
    let mut sources = Sources::new();
    let id = sources.add("fuzz.yaml", text);
    let (runbook, mistakes) = runbook::lang::compile(&sources, id, None, &CATALOG);
    assert_eq!(runbook.is_none(), mistakes.has_errors());
    let _ = render::render(&mistakes, &sources, false);
});
