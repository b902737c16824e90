//! Any text as a host pattern over a small inventory.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use runbook::diagnostic::Sources;
use runbook::model::inventory::Inventory;
use runbook::model::pattern;

static INVENTORY: LazyLock<Inventory> = LazyLock::new(|| {
    let mut sources = Sources::new();
    let text = "hosts: { web-01: {}, web-02: {}, db-01: {}, node024: {} }\ngroups: { web: { hosts: [\"web-[01:02]\"] }, prod: { groups: [web], hosts: [db-01] } }\n";
    let id = sources.add("fuzz.yaml", text);
    runbook::inventory::parse(&sources, &[(id, String::from("/fuzz"))]).0.expect("a good inventory")
});

fuzz_target!(|text: &str| {
    if let Ok(hosts) = pattern::select(text, &INVENTORY) {
        assert!(!hosts.is_empty(), "a selection is never empty without an error");
    }
});
