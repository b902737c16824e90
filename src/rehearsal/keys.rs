//! The keys of a test file in one table: the reader refuses what is not in it, the JSON Schema is made from it.

/// One key of a map.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// One sentence for people; default included.
    pub docs: &'static str,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// `90s`
    Duration,
    /// Texts.
    Texts,
    /// Numbers.
    Ints,
    /// Names and values of any kind.
    Named,
    /// Anything; the docs say what.
    Any,
    /// A map with the keys of this table.
    Map(&'static Table),
    /// A list of such maps.
    List(&'static Table),
    /// Names, each with such a map.
    Each(&'static Table),
    /// Names, each with such a map or something shorter that the docs tell.
    EachOr(&'static Table),
}

/// The keys of one kind of map.
#[derive(Debug)]
pub struct Table {
    /// What to call such a map in a message.
    pub of: &'static str,
    /// Name of the definition in the schema.
    pub definition: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

impl Table {
    /// The names of its keys.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|k| k.name).collect()
    }
}

/// A key that may be given.
pub(super) const fn may(name: &'static str, shape: Shape, docs: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        docs,
    }
}

/// A key that must be given.
pub(super) const fn must(name: &'static str, shape: Shape, docs: &'static str) -> Key {
    Key {
        name,
        shape,
        required: true,
        docs,
    }
}

use super::stores;
use Shape::{Any, Bool, Choice, Duration, Each, EachOr, Int, Ints, List, Map as Keys, Named, Number, Text, Texts};

/// A test file.
pub static SUITE: Table = Table {
    of: "a test file",
    definition: "suite",
    keys: &[
        must(
            "tests",
            Text,
            "The runbook's name: the file NAME.yaml beside this one, which is NAME.test.yaml.",
        ),
        must("fleet", Keys(&FLEET), "The simulated fleet, as it stands before every case."),
        must("cases", List(&CASE), "What is tried, and what must come of it."),
    ],
};

/// The fleet.
pub static FLEET: Table = Table {
    of: "the fleet",
    definition: "fleet",
    keys: &[
        must("inventory", Any, "Hosts, groups and pools, as in an inventory file."),
        may(
            "state",
            Keys(&STATE),
            "How it stands. Default: every service runs, every member of a pool is ready.",
        ),
    ],
};

/// A state.
pub static STATE: Table = Table {
    of: "a state",
    definition: "state",
    keys: &[
        may("hosts", Each(&HOST), "By host, group or pattern; what is said later counts."),
        may("pools", Each(&POOL), "By pool."),
        may(
            "http",
            EachOr(&PAGE),
            "What the rest of the world answers, by URL without query: a status, or a map.",
        ),
    ],
};

/// A host's state.
pub static HOST: Table = Table {
    of: "a host's state",
    definition: "host",
    keys: &[
        may("unreachable", Bool, "Nobody can connect to it. Default: false."),
        may(
            "services",
            EachOr(&SERVICE),
            "By name: `started`, `stopped`, `failed`, or a map. Others are not there.",
        ),
        may(
            "packages",
            EachOr(&PACKAGE),
            "By name, for apt: the version that is installed, `absent`, or a map. Others are not there and not on offer.",
        ),
        may("memory", Keys(&MEMORY), "Default: 4GiB, half of it available."),
        may(
            "files",
            EachOr(&FILE),
            "By path: the content, or a map; `absent: true` for a file that is not there.",
        ),
        may(
            "commands",
            List(&COMMAND),
            "What programs answer that the simulation does not know; the first that fits counts.",
        ),
        may(
            "http",
            EachOr(&PAGE),
            "What its web server answers, by `/path` or `:8080/path`: a status, or a map. Without any, nothing listens.",
        ),
        may("ports", Ints, "Ports on which something else listens."),
        stores::DISKS,
        stores::PACKAGE_CACHE,
        stores::DATABASE,
        stores::PROXY,
        may("load", Number, "Load over one minute. Default: 0.5."),
        may("cpus", Int, "Processors. Default: 2."),
    ],
};

/// Memory.
pub static MEMORY: Table = Table {
    of: "memory",
    definition: "memory",
    keys: &[
        may("total", Text, "All of it: `2GiB`."),
        may("available", Text, "What is available: `200MiB`, or a percentage."),
    ],
};

/// A service.
pub static SERVICE: Table = Table {
    of: "a service's state",
    definition: "service",
    keys: &[
        may("state", Choice(&["started", "stopped", "failed"]), "Default: started."),
        may("enabled", Bool, "Whether it starts at boot. Default: true."),
        may(
            "start",
            Choice(&["works", "fails", "flaps"]),
            "What a start comes to; `flaps` dies and is started again over and over. Default: works.",
        ),
        may("after_start", Keys(&HOST), "What is different on its host after each start."),
        may("after_reload", Keys(&HOST), "What is different on its host after each reload."),
    ],
};

/// A package.
pub static PACKAGE: Table = Table {
    of: "a package's state",
    definition: "package",
    keys: &[
        may("version", Text, "What is installed, or `absent`. Default: absent."),
        may(
            "offered",
            Texts,
            "What the host's repositories offer, newest first. Default: what is installed.",
        ),
        may("held", Bool, "Kept at its version. Default: false."),
        may(
            "after_install",
            Each(&HOST),
            "By version: what is different on its host each time that it was installed.",
        ),
    ],
};

/// A file.
pub static FILE: Table = Table {
    of: "a file",
    definition: "file",
    keys: &[
        may("content", Text, "All of it."),
        may("mode", Text, "Octal. Default: 0644."),
        may("owner", Text, "Default: root."),
        may("group", Text, "Default: root."),
        may("absent", Bool, "There is none."),
    ],
};

/// A program's answer.
pub static COMMAND: Table = Table {
    of: "a program's answer",
    definition: "command",
    keys: &[
        must("run", Text, "Part of the command line that is answered so."),
        may("exit", Int, "Exit status. Default: 0."),
        may("stdout", Text, "Standard output."),
        may("stderr", Text, "Standard error."),
        may("takes", Duration, "How long it takes. Default: 100ms."),
        may("times", Int, "Only so often; then the next answer that fits counts."),
        may("when_given", Text, "Only when a file that the command line names holds this text."),
        may("then", Keys(&STATE), "What is different in the fleet afterwards."),
    ],
};

/// A web server's answer.
pub static PAGE: Table = Table {
    of: "a web server's answer",
    definition: "page",
    keys: &[
        may("status", Int, "Default: 200."),
        may("body", Text, "Its body."),
        may("json", Any, "Its body, as JSON."),
        may("takes", Duration, "How long it takes. Default: 10ms."),
        may("hangs", Bool, "The request is taken and never answered."),
    ],
};

/// A pool.
pub static POOL: Table = Table {
    of: "a pool's state",
    definition: "pool",
    keys: &[
        may("algorithm", Text, "In the balancers' files and processes. Default: roundrobin."),
        may(
            "members",
            EachOr(&MEMBER),
            "By member: `ready`, `drain`, `maint`, `absent`, or a map.",
        ),
        may("held_by", Text, "Another controller holds the pool's lease: who."),
        may("invalid_file", Bool, "`haproxy -c` refuses every file."),
    ],
};

/// A pool's member.
pub static MEMBER: Table = Table {
    of: "a member's state",
    definition: "member",
    keys: &[
        may(
            "state",
            Choice(&["ready", "drain", "maint", "absent"]),
            "`absent`: its line is commented out. Default: ready.",
        ),
        may("weight", Int, "Default: 1."),
        may(
            "up",
            Bool,
            "Whether the balancer's checks succeed. Default: as the pool's health address answers.",
        ),
        may("sessions", Int, "Connections while it takes traffic. Default: 2."),
        may("drains_in", Text, "How long they last after a drain; `never`. Default: 3s."),
        may(
            "requests",
            Int,
            "New connections a minute while it takes traffic. Default: an equal share of 600.",
        ),
        may("owner", Text, "Somebody else took it out and owes its return: who."),
    ],
};

/// A case.
pub static CASE: Table = Table {
    of: "a case",
    definition: "case",
    keys: &[
        must("name", Text, "What it is about, in a few words."),
        may("params", Named, "Parameters, as `--param` gives them."),
        may("state", Keys(&STATE), "Where the fleet stands differently."),
        may(
            "answers",
            Named,
            "By step that asks people: `yes by mira`, `no by mira`, `yes by mira after 10m`, `done by mira`, `failed by mira`, `nobody`; a map \
             `{ done: mira, after, fields, because }`; or a list of such answers.",
        ),
        may("faults", List(&FAULT), "What goes wrong."),
        may("meanwhile", List(&MEANWHILE), "What else happens while the run goes on."),
        must("expect", Keys(&EXPECT), "What must come of it; what is not named is not looked at."),
        may(
            "sweep",
            Texts,
            "`failures`: the case again for every operation of every step, which fails, fails though done, is lost, is lost though done, and for \
             every probe, which gets no answer. `crashes`: again for every write to the journal, with the controller dying right before and \
             right after it and the run taken up again. Each time nothing may stay taken without an open obligation that names it, and no \
             pool may fall below its minimum by our hand.",
        ),
    ],
};

/// An answer, in full.
pub static ANSWER: Table = Table {
    of: "an answer",
    definition: "answer",
    keys: &[
        may("yes", Text, "Who agrees."),
        may("no", Text, "Who does not."),
        may("done", Text, "Who has done what a `manual` step asks for."),
        may("failed", Text, "Who could not."),
        may("after", Duration, "How long they take. Default: 1m."),
        may("fields", Named, "What they tell, by field."),
        may("because", Text, "Their reason."),
    ],
};

/// A fault.
pub static FAULT: Table = Table {
    of: "a fault",
    definition: "fault",
    keys: &[
        must("at", Text, "The step: `drain`, `drain@web-01`, `others[web-02].ready`."),
        must(
            "what",
            Choice(&[
                "fails",
                "fails_but_done",
                "lost",
                "lost_but_done",
                "timeout",
                "unreachable",
                "crash",
                "cancel",
            ]),
            "`lost`: the connection goes before anything was done; `lost_but_done`: after; `unreachable`: from the step's start on nobody \
             answers it; `crash`: the controller dies when the change is about to be sent, and `runbook resume` takes the run up; \
             `cancel`: a person asks the run to stop when the step begins.",
        ),
        may(
            "operation",
            Int,
            "Which of the step's changing operations, from 1. Default: the first.",
        ),
        may("attempt", Int, "Only that attempt. Default: every one."),
        may(
            "during",
            Choice(&["undo"]),
            "While the step's change is taken back, not while it is made.",
        ),
        may("lasts", Duration, "How long a host that was lost stays away. Default: 30s."),
    ],
};

/// What happens meanwhile.
pub static MEANWHILE: Table = Table {
    of: "a change meanwhile",
    definition: "meanwhile",
    keys: &[
        must("at", Text, "When this step begins."),
        must("state", Keys(&STATE), "What is different from then on."),
    ],
};

/// Expectations.
pub static EXPECT: Table = Table {
    of: "the expectations",
    definition: "expect",
    keys: &[
        may("plan", Keys(&EXPECT_PLAN), "Of the plan."),
        may(
            "outcome",
            Choice(&["succeeded", "failed", "stuck", "denied", "cancelled", "lost", "refused"]),
            "How the run ends. `stuck`: failed, and somebody must act. `refused`: nothing was changed.",
        ),
        may("failure", Text, "Part of the first failure's words."),
        may(
            "order",
            Texts,
            "Steps that end well, in this order, others between them; `undo drain` for a change that is taken back.",
        ),
        may("happens", Texts, "Steps that end well or are taken back, in any order."),
        may(
            "never",
            Texts,
            "Steps that do not begin: a change that is not even sent, a probe that does not look.",
        ),
        may(
            "obligations",
            Texts,
            "What is still owed at the end: a part of each obligation's words; `[]` for nothing.",
        ),
        may(
            "messages",
            Any,
            "Messages that people get: parts of their texts, attachments included, or `{ to, has }`.",
        ),
        may(
            "pools",
            Named,
            "By pool: members with their state at the end, `algorithm`, and `never_below`: so many members are in service at every moment.",
        ),
        may(
            "files",
            Named,
            "By host (or pattern) and path: part of its content at the end, or `{ has, lacks }`.",
        ),
        may("services", Named, "By host (or pattern) and service: its state at the end."),
        may(
            "packages",
            Named,
            "By host (or pattern) and package: the version that is installed at the end, or `absent`.",
        ),
        may(
            "silences",
            Texts,
            "What Alertmanager is silent about at the end: a part of each silence, `host=web-01`; `[]` for nothing. It stands where the \
             inventory's variable `alertmanager` points.",
        ),
        may("results", Named, "By `step.field`: what the step's result holds, as text."),
        may("within", Duration, "How long the run may take."),
    ],
};

/// Expectations of the plan.
pub static EXPECT_PLAN: Table = Table {
    of: "the plan's expectations",
    definition: "expect_plan",
    keys: &[
        may(
            "will_change",
            Texts,
            "Exactly these steps will change something; those of `on_failure` and `finally` aside.",
        ),
        may("nothing_to_do", Texts, "For these there is nothing to do."),
        may("at_run_time", Texts, "What these do is known at run time."),
        may("skipped", Texts, "These are skipped."),
        may("refused", Text, "Part of the reason why the plan is refused."),
        may("instead", Text, "Part of what the refusal offers instead."),
    ],
};
