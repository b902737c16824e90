//! The files of the machines: services that are well, and services that fail in every way that matters.

/// Runs until it is ended, and notes every SIGHUP.
const STEADY: &str = "#!/bin/sh\ntrap 'echo reloaded >>/run/reloads' HUP\nwhile :; do sleep 0.1; done\n";
/// Dies a moment after its start.
const CRASH: &str = "#!/bin/sh\nsleep 0.1\nexit 3\n";
/// Does not listen to SIGTERM.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n";

const INSTALL: &str = "[Install]\nWantedBy=multi-user.target\n";

/// Name and body of each service.
const SERVICES: &[(&str, &str)] = &[
    ("steady", "ExecStart=/opt/steady\nExecReload=/bin/kill -HUP $MAINPID\n"),
    ("worker@", "ExecStart=/opt/steady\n"),
    ("no-reload", "ExecStart=/opt/steady\n"),
    ("reload-refused", "ExecStart=/opt/steady\nExecReload=/bin/false\n"),
    ("reload-dies", "ExecStart=/bin/sleep 1000\nExecReload=/bin/kill -HUP $MAINPID\n"),
    (
        "reload-replaces",
        "ExecStart=/bin/sleep 1000\nExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=100ms\n",
    ),
    ("crashes", "ExecStart=/opt/crash\n"),
    ("ends", "ExecStart=/bin/true\n"),
    ("check-refuses", "ExecStartPre=/bin/false\nExecStart=/opt/steady\n"),
    ("no-program", "ExecStart=/opt/absent\n"),
    ("no-command", "Environment=A=b\n"),
    ("never-ready", "Type=notify\nExecStart=/opt/steady\nTimeoutStartSec=500ms\n"),
    (
        "flaps",
        "ExecStart=/opt/crash\nRestart=always\nRestartSec=200ms\n[Unit]\nStartLimitIntervalSec=0\n",
    ),
    ("limited", "ExecStart=/bin/false\nRestart=always\nRestartSec=50ms\n"),
    ("stubborn", "ExecStart=/opt/stubborn\nTimeoutStopSec=300ms\n"),
    ("once", "Type=oneshot\nExecStart=/bin/true\nRemainAfterExit=yes\n"),
    ("masked", "ExecStart=/opt/steady\n"),
];

/// A script of the old kind: a pid file, LSB's exit statuses, and a check before the start.
const SYSV: &str = r#"#!/bin/sh
### BEGIN INIT INFO
# Provides:          NAME
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: test
### END INIT INFO
file=/run/NAME.pid
alive() { [ -r "$file" ] && kill -0 "$(cat "$file")" 2>/dev/null; }
case $1 in
start)
    alive && exit 0
    if [ -e /run/NAME.refuse ]; then echo "NAME: its configuration is bad" >&2; exit 6; fi
    PROGRAM >/dev/null 2>&1 </dev/null &
    echo $! >"$file"
    ;;
stop)
    alive || exit 0
    kill "$(cat "$file")"
    while alive; do sleep 0.05; done
    rm -f "$file"
    ;;
restart) "$0" stop && "$0" start ;;
reload) alive && kill -HUP "$(cat "$file")" ;;
status)
    alive && exit 0
    [ -e "$file" ] && exit 1
    exit 3
    ;;
*) exit 2 ;;
esac
"#;

fn programs() -> Vec<(String, String)> {
    [("steady", STEADY), ("crash", CRASH), ("stubborn", STUBBORN)]
        .map(|(name, text)| (format!("/opt/{name}"), text.to_owned()))
        .to_vec()
}

/// What systemd's machine is made of.
pub fn systemd() -> Vec<(String, String)> {
    let mut files = programs();
    for target in ["default", "sysinit", "basic", "multi-user", "shutdown"] {
        let text = format!("[Unit]\nDescription={target}\nDefaultDependencies=no\n");
        files.push((format!("/etc/systemd/system/{target}.target"), text));
    }
    for (name, body) in SERVICES {
        files.push((format!("/etc/systemd/system/{name}.service"), format!("[Service]\n{body}{INSTALL}")));
    }
    let static_one = String::from("[Service]\nExecStart=/opt/steady\n");
    files.push((String::from("/etc/systemd/system/static.service"), static_one));
    files
}

/// What the machine with SysV scripts is made of.
pub fn sysv() -> Vec<(String, String)> {
    let mut files = programs();
    for (name, program) in [("app", "/opt/steady"), ("crashes", "/opt/crash")] {
        let script = SYSV.replace("NAME", name).replace("PROGRAM", program);
        files.push((format!("/etc/init.d/{name}"), script));
    }
    for level in ["0", "1", "2", "3", "4", "5", "6", "S"] {
        files.push((format!("/etc/rc{level}.d/README"), String::new()));
    }
    files
}
