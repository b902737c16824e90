//! What is run: runbooks, and the same by hand with bare `ssh` over one multiplexed connection for each host.
//! `@DIR@` and `@OPTIONS@` are filled in by whoever writes them to disk.

/// Ten steps a host: five looks, three commands that change something, two files.
pub const RUNBOOK: &str = r#"runbook: ten-steps
language: 1
description: Ten small steps on each host.
params:
  round: { type: string }
run_as: login
steps:
  - id: each
    name: Every host by itself
    for_each: { as: web, hosts: webservers, max_parallel: 200 }
    steps:
      - { id: kernel, command: { argv: [uname, -r], read_only: true } }
      - { id: uptime, command: { argv: [cat, /proc/uptime], read_only: true } }
      - { id: disk, command: { argv: [df, -P, /], read_only: true } }
      - { id: folder, command: { argv: [mkdir, -p, "@DIR@/{{web.name}}"] }, pool_effect: none, undo: keep }
      - { id: limits, file.write: { path: "@DIR@/{{web.name}}/limits", content: "nofile {{params.round}}\n" } }
      - { id: marker, command: { argv: [touch, "@DIR@/{{web.name}}/marker"] }, pool_effect: none, undo: keep }
      - { id: motd, file.write: { path: "@DIR@/{{web.name}}/motd", content: "round {{params.round}}\n" } }
      - { id: copy, command: { argv: [cp, "@DIR@/{{web.name}}/motd", "@DIR@/{{web.name}}/copy"] }, pool_effect: none, undo: keep }
      - { id: size, command: { argv: [wc, -c, /etc/passwd], read_only: true } }
      - { id: load, command: { argv: [cat, /proc/loadavg], read_only: true } }
"#;

/// The same by hand, for one host.
pub const SCRIPT: &str = r#"#!/bin/sh
set -e
name=${1%=*} address=${1#*=} d=@DIR@/${1%=*} s=@DIR@/$1.sock
on() { ssh @OPTIONS@ -S "$s" "$address" "$@"; }
ssh @OPTIONS@ -M -S "$s" -o ControlPersist=no -f -N "$address"
on 'uname -r'
on 'cat /proc/uptime'
on 'df -P /'
on "mkdir -p $d"
echo "nofile $ROUND" | on "cat >$d/.limits && mv -f $d/.limits $d/limits"
on "touch $d/marker"
echo "round $ROUND" | on "cat >$d/.motd && mv -f $d/.motd $d/motd"
on "cp $d/motd $d/copy"
on 'wc -c /etc/passwd'
on 'cat /proc/loadavg'
ssh @OPTIONS@ -S "$s" -O exit "$address" 2>/dev/null
"#;

/// The looks that planning makes.
pub const FACTS: &str = r#"#!/bin/sh
set -e
name=${1%=*} address=${1#*=} d=@DIR@/${1%=*} s=@DIR@/$1.sock
on() { ssh @OPTIONS@ -S "$s" "$address" "$@"; }
ssh @OPTIONS@ -M -S "$s" -o ControlPersist=no -f -N "$address"
on 'uname -r'
on 'cat /proc/uptime'
on 'df -P /'
on 'cat /proc/loadavg'
ssh @OPTIONS@ -S "$s" -O exit "$address" 2>/dev/null
"#;

/// The same by the product.
pub const PLAN: &str = r#"runbook: four-looks
language: 1
description: Four looks at each host.
run_as: login
hosts: webservers
steps:
  - { id: kernel, command: { argv: [uname, -r], read_only: true } }
  - { id: uptime, command: { argv: [cat, /proc/uptime], read_only: true } }
  - { id: disk, command: { argv: [df, -P, /], read_only: true } }
  - { id: load, command: { argv: [cat, /proc/loadavg], read_only: true } }
"#;

/// The first remote command says when it ran.
pub const ONE_LOOK: &str = r#"runbook: one-look
language: 1
description: One look, which leaves its time behind for the benchmark.
run_as: login
hosts: webservers
steps:
  - { id: now, command: { argv: [sh, -c, "date +%s%N >>@DIR@/first"], read_only: true } }
"#;
