//! Parameters as people and alerts give them.

use std::collections::BTreeMap;

use super::{HEAD, compiled, hosts, parameters};
use crate::model::value::Value;

fn resolved(declared: &str, given: &[(&str, &str)]) -> Result<BTreeMap<String, Value>, Vec<String>> {
    let step = "steps:\n  - { id: look, hosts: web-01, facts: [memory] }\n";
    let runbook = compiled(&format!("{HEAD}params:\n{declared}\n{step}"), &[]);
    let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (values, mistakes) = parameters::resolve(&runbook, &hosts(), &given);
    match mistakes.has_errors() {
        false => Ok(values),
        true => Err(mistakes.iter().map(|d| format!("{} {}", d.code, d.message)).collect()),
    }
}

#[test]
fn a_host_is_found_by_name_address_and_either_with_a_port() {
    for text in ["web-02", "web-02:9100", "192.0.2.12", "192.0.2.12:9100"] {
        let values = resolved("  h: { type: host, from: webservers }", &[("h", text)]).unwrap();
        assert_eq!(values["h"].field("name"), Some(Value::text("web-02")), "{text}");
        assert_eq!(values["h"].field("address"), Some(Value::text("192.0.2.12")), "{text}");
    }
    for (text, words) in [
        ("web-09", "did you mean `web-0"),
        ("web-04", "not in `webservers`"),
        ("192.0.2.99", "no host `192.0.2.99`"),
        ("webservers", "no host `webservers`"),
        ("", "no host ``"),
        ("web-02:", "no host `web-02:`"),
    ] {
        let found = resolved("  h: { type: host, from: webservers }", &[("h", text)]).unwrap_err();
        assert!(found[0].starts_with("RB0712") && found[0].contains(words), "{text}: {found:?}");
    }
}

#[test]
fn defaults_are_read_like_values_that_are_given() {
    let values = resolved(
        "  h: { type: host, default: web-01 }\n  d: { type: duration, default: 90s }\n  n: { type: int, default: 3 }",
        &[],
    );
    let values = values.unwrap();
    assert_eq!(values["h"].field("name"), Some(Value::text("web-01")));
    assert_eq!(values["d"].field("seconds"), Some(Value::Int(90)));
    assert_eq!(values["n"], Value::Int(3));
}

#[test]
fn limits_hold_and_all_mistakes_come_at_once() {
    let declared = "  n: { type: int, min: 1, max: 5 }\n  w: { type: string, pattern: '[a-z]+' }\n  p: { type: pool }\n  b: { type: bool }";
    let found = resolved(declared, &[("n", "9"), ("w", "a b"), ("p", "shop"), ("x", "1")]).unwrap_err();
    let codes: Vec<&str> = found.iter().map(|f| &f[..6]).collect();
    assert_eq!(codes, ["RB0710", "RB0712", "RB0712", "RB0712", "RB0711"], "{found:#?}");
    let values = resolved(declared, &[("n", "5"), ("w", "ab"), ("p", "web"), ("b", "true")]).unwrap();
    assert_eq!((&values["n"], &values["b"]), (&Value::Int(5), &Value::Bool(true)));
    for wrong in ["0", "1.5", "five", "", "99999999999999999999"] {
        let found = resolved(declared, &[("n", wrong), ("w", "ab"), ("p", "web"), ("b", "true")]).unwrap_err();
        assert_eq!(found.len(), 1, "{wrong}: {found:?}");
    }
}
