#!/bin/sh
# Prints what a cloud's inventory would.
[ "$1" = --list ] || exit 2
cat <<'JSON'
{
  "all": {"children": ["ungrouped", "web", "eu"], "vars": {"ansible_user": "cloud"}},
  "web": {"hosts": ["i-1", "i-2", "i-3"], "vars": {"ansible_port": 2222, "ratio": 0.5}},
  "eu": {"children": ["paris"]},
  "paris": ["i-2"],
  "ungrouped": {"hosts": ["i-9"]},
  "_meta": {"hostvars": {
    "i-1": {"ansible_host": "192.0.2.101", "tags": ["a", "b"], "note": "caf\u00e9 \ud83d\ude00"},
    "i-2": {"ansible_host": "192.0.2.102", "ansible_user": "special", "n": null, "b": true},
    "i-9": {}
  }}
}
JSON
