//! Any bytes as an inventory; what is accepted is asked for every group.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook::diagnostic::{Sources, render};
use runbook::model::pattern;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = runbook::yaml::decode(bytes) else { return };
    let mut sources = Sources::new();
    let id = sources.add("fuzz.yaml", text);
    let (inventory, mistakes) = runbook::inventory::parse(&sources, &[(id, String::from("/fuzz"))]);
    if let Some(inventory) = inventory {
        for group in inventory.groups.keys() {
            let _ = pattern::select(&group.0, &inventory);
        }
        let _ = pattern::select("all", &inventory);
    }
    let _ = render::render(&mistakes, &sources, false);
});
