//! The keys of the language in one table: the parser refuses what is not in it, the JSON Schema is made from it.
//!
//! Knows names, shapes and meanings; not how a value is used.

use crate::model::runbook::TRIGGER_MODES;

/// One key of a map.
#[derive(Debug)]
pub(super) struct Key {
    /// As written.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it must be given.
    pub need: Need,
    /// One sentence for people; default included.
    pub docs: &'static str,
}

/// Whether a key must, may or cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Must.
    Required,
    /// May.
    Optional,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text with placeholders.
    Text,
    /// Text without placeholders.
    Word,
    /// A text that must be this regular expression as a whole.
    Pattern(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An expression.
    Expression,
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// `90s`
    Duration,
    /// `90s`, or a placeholder of a parameter of type duration.
    Wait,
    /// Words; a single one may stand without brackets.
    Words,
    /// Texts; a single one may stand without brackets.
    Texts,
    /// Names and texts.
    TextMap,
    /// Any value.
    Any,
    /// A map with the keys of this table.
    Map(&'static Table),
    /// A list of maps with the keys of this table.
    List(&'static Table),
    /// Names, each with a map of this table.
    Named(&'static Table),
    /// A list of steps.
    Steps,
    /// A list of checks.
    Checks,
    /// A step's id, or `{ step, guard }`.
    Owes,
    /// auto, keep, none, or steps.
    Undo,
    /// A count, a percentage, a list of them, or a placeholder.
    Batches,
    /// A count or a percentage.
    Share,
}

/// The keys of one kind of map.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// What to call such a map in a message: `a runbook`.
    pub of: &'static str,
    /// Name of the definition in the JSON Schema.
    pub definition: &'static str,
    /// Its keys, in the order to show them.
    pub keys: &'static [Key],
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Key {}

impl Table {
    /// The key with that name.
    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// Identifiers of parameters, steps and loop variables.
pub(super) const IDENTIFIER: &str = "[a-z][a-z0-9_]*";
/// Names of runbooks.
pub(super) const RUNBOOK_NAME: &str = "[a-z][a-z0-9-]*";
/// What `notify:` can be about.
pub(super) const EVENTS: &[&str] = &["start", "approval", "success", "failure", "obligation"];
/// What a call may do.
pub(super) const CALL_MODES: &[&str] = &["plan", "approve", "run"];
/// Types of parameters; `list of T` beside these.
pub(super) const PARAM_TYPES: &[&str] = &[
    "string",
    "int",
    "float",
    "bool",
    "duration",
    "size",
    "percent",
    "count_or_percent",
    "path",
    "url",
    "host",
    "hosts",
    "pool",
    "choice",
    "secret",
];

const fn must(name: &'static str, shape: Shape, docs: &'static str) -> Key {
    Key {
        name,
        shape,
        need: Need::Required,
        docs,
    }
}

const fn may(name: &'static str, shape: Shape, docs: &'static str) -> Key {
    Key {
        name,
        shape,
        need: Need::Optional,
        docs,
    }
}

/// Of steps and of checks.
const TEMPLATE: Key = may(
    "template",
    Shape::Choice(&["off"]),
    "`off`: in the action, two braces are ordinary characters; nothing is filled in or quoted. Other keys keep their placeholders.",
);

/// A runbook.
pub(super) static RUNBOOK: Table = Table {
    of: "a runbook",
    definition: "runbook",
    keys: &[
        must("runbook", Shape::Pattern(RUNBOOK_NAME), "The runbook's name; equals the file name."),
        must("language", Shape::Int, "Version of the language: 1."),
        must("description", Shape::Word, "One sentence."),
        may("params", Shape::Named(&PARAM), "Parameters, by name."),
        may("triggers", Shape::List(&TRIGGER), "Alerts that may start it."),
        may("hosts", Shape::Text, "Hosts of a step that names none: a pattern."),
        may("run_as", Shape::Text, "User that steps run as (sudo); default: the login user."),
        may("lock", Shape::Texts, "Resources this run owns beside the pools it touches."),
        may("deadline", Shape::Duration, "Of the whole run; default 1h."),
        may("require", Shape::Checks, "Checks before anything; evaluated in the plan too."),
        may(
            "invariants",
            Shape::List(&INVARIANT),
            "Checks before and after every changing step; also in the plan.",
        ),
        must("steps", Shape::Steps, "The work."),
        may("verify", Shape::Checks, "The runbook's goal, checked at the end."),
        may(
            "on_failure",
            Shape::Steps,
            "Steps after undo, when the run failed. `run.failure.step`, `.host` and `.summary` say what failed; where no step did (a cancel, the deadline), the first two are empty, the summary says why.",
        ),
        may("finally", Shape::Steps, "Steps that come last in any case."),
        may("notify", Shape::Map(&NOTIFY), "Who hears of the run."),
        may(
            "outputs",
            Shape::TextMap,
            "Names and expressions: shown at the end of a run; a caller reads them as `steps.ID.NAME`.",
        ),
    ],
};

/// A declared parameter.
pub(super) static PARAM: Table = Table {
    of: "a parameter",
    definition: "param",
    keys: &[
        must(
            "type",
            Shape::Word,
            "string, int, float, bool, duration, size, percent, count_or_percent, path, url, host, hosts, pool, choice, secret, or `list of T`.",
        ),
        may(
            "default",
            Shape::Any,
            "Value if none is given; without it the parameter is required.",
        ),
        may("description", Shape::Word, "For people."),
        may("choices", Shape::Words, "The words of type `choice`."),
        may("pattern", Shape::Word, "Regular expression the text must match as a whole."),
        may("min", Shape::Any, "Least value."),
        may("max", Shape::Any, "Greatest value."),
        may(
            "from",
            Shape::Word,
            "Of a host: group (pattern) that it must be in. Of a secret: where it is kept, `env.NAME`, `file:/path`, `command:/program …` or `secret_sources.NAME`.",
        ),
    ],
};

/// A step.
pub(super) static STEP: Table = Table {
    of: "a step",
    definition: "step",
    keys: &[
        must("id", Shape::Pattern(IDENTIFIER), "Identifier, unique in the runbook."),
        may("name", Shape::Text, "For people; default: the id in words."),
        may(
            "hosts",
            Shape::Text,
            "Where: a pattern, `control` or a loop variable; default: the loop's host, else the runbook's `hosts`.",
        ),
        may("run_as", Shape::Text, "User that the step runs as; default: the runbook's."),
        may(
            "needs",
            Shape::Words,
            "Ids of steps of the same list to wait for; default: the step above; `[]`: at once.",
        ),
        may("when", Shape::Expression, "Run only if true; a skipped step counts as done."),
        may(
            "that",
            Shape::Expression,
            "Only on probes: fail unless true. Over `result` on each host, over `results` once.",
        ),
        may("within", Shape::Duration, "Poll a probe until `that`, at most so long."),
        may("every", Shape::Duration, "How often to poll; default 5s."),
        may("retry", Shape::Map(&RETRY), "Repeat after failure; default: 1 attempt."),
        may(
            "timeout",
            Shape::Duration,
            "Per attempt and host; default 5m. The waiting of `within` does not count.",
        ),
        may("verify", Shape::Checks, "Checks afterwards."),
        may("owes", Shape::Owes, "The later step that gives back what this one takes."),
        may("leave", Shape::Map(&LEAVE), "A lasting change that this run leaves on purpose."),
        may("undo", Shape::Undo, "How to take it back: auto, keep, none, or steps."),
        may("allow_failure", Shape::Expression, "Go on after failure if true."),
        may("allow_empty", Shape::Bool, "Whether `hosts` may match none; default false."),
        may(
            "pool_effect",
            Shape::Choice(&["none"]),
            "`none`: this step takes nothing from a pool.",
        ),
        may("for_each", Shape::Map(&FOR_EACH), "Loop over hosts or items; goes with `steps`."),
        may("steps", Shape::Steps, "The steps of each turn of `for_each`."),
        may("approve", Shape::Map(&APPROVE), "Ask people before going on."),
        may("manual", Shape::Map(&MANUAL), "A person does it and says done or failed."),
        may(
            "decide",
            Shape::List(&BRANCH),
            "Name what it is: the first line whose `when` is true; the last line has none.",
        ),
        may(
            "call",
            Shape::Map(&CALL),
            "Another runbook, whose steps stand in this place. Its `deadline`, `notify` and `triggers` do not count: those of the run do.",
        ),
        TEMPLATE,
    ],
};

/// The keys of a check, and those that one kind of check has beside them.
macro_rules! check_keys {
    ($($more:expr),*) => {
        &[
            must("name", Shape::Text, "What is true, in words."),
            must(
                "that",
                Shape::Expression,
                "Fails unless true. Over `result` on each host, over `results` once.",
            ),
            may(
                "hosts",
                Shape::Text,
                "Where: a pattern, `control` or a loop variable; default: the step's, else the runbook's.",
            ),
            may(
                "run_as",
                Shape::Text,
                "User that the probe runs as; default: the step's, else the runbook's.",
            ),
            may("when", Shape::Expression, "Check only if true."),
            may("within", Shape::Duration, "Poll until `that`, at most so long."),
            may("every", Shape::Duration, "How often to poll; default 5s."),
            may("timeout", Shape::Duration, "Per attempt and host; default 5m."),
            may("retry", Shape::Map(&RETRY), "Repeat after failure; default: 1 attempt."),
            may("allow_empty", Shape::Bool, "Whether `hosts` may match none; default false."),
            TEMPLATE,
            $($more),*
        ]
    };
}

/// A check: a probe with `that`.
pub(super) static CHECK: Table = Table {
    of: "a check",
    definition: "check",
    keys: check_keys!(),
};

/// A check of `invariants`.
pub(super) static INVARIANT: Table = Table {
    of: "an invariant",
    definition: "invariant",
    keys: check_keys!(may(
        "from",
        Shape::Word,
        "The step from which on it holds; default: from the beginning."
    )),
};

/// `for_each:`
pub(super) static FOR_EACH: Table = Table {
    of: "`for_each`",
    definition: "for_each",
    keys: &[
        must("as", Shape::Pattern(IDENTIFIER), "Name of the turn's host or item."),
        may("hosts", Shape::Text, "A host pattern; this or `items`."),
        may("items", Shape::Expression, "A list: literal, parameter, or a probe's result."),
        may("max_parallel", Shape::Int, "Turns at once; default 1."),
        may(
            "max_unavailable",
            Shape::Batches,
            "Turns at once: a count, a percentage of all turns, or a list for growing batches.",
        ),
        may(
            "max_failures",
            Shape::Share,
            "More failed turns than this start no new ones: a count, or a percentage of all turns; default 0.",
        ),
        may("pause", Shape::Duration, "Between batches; default none."),
        may(
            "undo",
            Shape::Choice(&["turn", "all"]),
            "`turn` (default): finished turns are kept when the run fails; `all`: they are taken back too.",
        ),
    ],
};

/// `retry:`
pub(super) static RETRY: Table = Table {
    of: "`retry`",
    definition: "retry",
    keys: &[
        must("attempts", Shape::Int, "Attempts in all, the first included."),
        may("delay", Shape::Duration, "Before the second attempt; default 5s."),
        may(
            "backoff",
            Shape::Number,
            "Each further delay is so many times the one before; default 1.",
        ),
        may("when", Shape::Expression, "Repeat only if true of `result`."),
    ],
};

/// `owes:` in its long form.
pub(super) static OWES: Table = Table {
    of: "`owes`",
    definition: "owes",
    keys: &[
        must("step", Shape::Pattern(IDENTIFIER), "The later step that gives back."),
        may(
            "guard",
            Shape::Checks,
            "When it is safe to give back; `[]`: always. Default: the probes with `that` between the two steps.",
        ),
    ],
};

/// `leave:`
pub(super) static LEAVE: Table = Table {
    of: "`leave`",
    definition: "leave",
    keys: &[
        must("until", Shape::Duration, "How long it may stay so; then people are told."),
        must("reason", Shape::Text, "Why."),
    ],
};

/// `approve:`
pub(super) static APPROVE: Table = Table {
    of: "`approve`",
    definition: "approve",
    keys: &[
        must("ask", Shape::Text, "The question."),
        must("from", Shape::Words, "Groups or people who may answer; empty means nobody."),
        may("quorum", Shape::Int, "How many must agree; default 1."),
        may(
            "show",
            Shape::Choice(&["plan", "none"]),
            "What is shown with the question: `plan` (default), or `none`, the question alone, for somebody to whom steps and hosts say nothing.",
        ),
        may("within", Shape::Wait, "How long; default 15m. A timer never approves."),
        may(
            "on_timeout",
            Shape::Choice(&["deny", "escalate"]),
            "When nobody answers in time; default deny.",
        ),
        may(
            "then_escalate_to",
            Shape::Words,
            "With `on_timeout: escalate`: who is asked too, one after the other, each for `within`.",
        ),
    ],
};

/// `manual:`
pub(super) static MANUAL: Table = Table {
    of: "`manual`",
    definition: "manual",
    keys: &[
        must("ask", Shape::Text, "What is to be done."),
        must("to", Shape::Words, "Groups or people who may do it; empty means nobody."),
        may(
            "fields",
            Shape::Named(&PARAM),
            "What they find out, by name: typed as parameters are, read as `steps.ID.NAME`.",
        ),
        may("within", Shape::Wait, "How long; default 1h. A timer never counts as done."),
        may(
            "then_escalate_to",
            Shape::Words,
            "When nobody answers in time: who is asked too, one after the other, each for `within`.",
        ),
        may(
            "blocking",
            Shape::Bool,
            "Default true. `false`: the run goes on, and what is to be done is an obligation of theirs.",
        ),
    ],
};

/// A line of `decide:`
pub(super) static BRANCH: Table = Table {
    of: "a line of `decide`",
    definition: "branch",
    keys: &[
        must("is", Shape::Pattern(IDENTIFIER), "The word that `steps.ID.is` then has."),
        may(
            "when",
            Shape::Expression,
            "When it is so; the last line has none and holds for the rest.",
        ),
    ],
};

/// `call:`
pub(super) static CALL: Table = Table {
    of: "`call`",
    definition: "call",
    keys: &[
        must(
            "runbook",
            Shape::Word,
            "Its file: a path from the folder of the calling file, in that folder or below it.",
        ),
        may(
            "params",
            Shape::Any,
            "Values for its parameters, by name; settled when the plan is made.",
        ),
        may(
            "mode",
            Shape::Choice(CALL_MODES),
            "`run` (default); `approve`: people are asked before its first step; `plan`: it is shown, nothing of it is run.",
        ),
    ],
};

/// `notify:` of a runbook.
pub(super) static NOTIFY: Table = Table {
    of: "`notify`",
    definition: "notify",
    keys: &[
        must("to", Shape::Word, "A channel or group of the configuration."),
        must("events", Shape::Words, "start, approval, success, failure, obligation."),
        may("message", Shape::Text, "Said beside what happened."),
    ],
};

/// An entry of `triggers:`: one of its kinds, and what is the same for all.
pub(super) static TRIGGER: Table = Table {
    of: "a trigger",
    definition: "trigger",
    keys: &[
        may("alertmanager", Shape::Map(&ALERT), "Alerts of Prometheus' Alertmanager."),
        may("grafana", Shape::Map(&ALERT), "Alerts of Grafana."),
        may("pagerduty", Shape::Map(&PAGERDUTY), "Events of PagerDuty (webhooks version 3)."),
        may("webhook", Shape::Map(&WEBHOOK), "Any JSON."),
        may("schedule", Shape::Map(&SCHEDULE), "At times."),
        may(
            "params",
            Shape::TextMap,
            "Parameters from what was sent: `{{alert.labels.X}}`, `{{event.data.X}}` of PagerDuty, `{{body.X}}` of a webhook.",
        ),
        may("mode", Shape::Choice(TRIGGER_MODES), "plan (default), approve or auto."),
        may("dedupe", Shape::Map(&DEDUPE), "What makes two alerts the same."),
    ],
};

/// `alertmanager:`, `grafana:`
pub(super) static ALERT: Table = Table {
    of: "an alert to wait for",
    definition: "alert",
    keys: &[must(
        "match",
        Shape::TextMap,
        "Labels that must be equal, or match as a whole: `~regex`.",
    )],
};

/// `pagerduty:`
pub(super) static PAGERDUTY: Table = Table {
    of: "`pagerduty`",
    definition: "pagerduty",
    keys: &[must(
        "match",
        Shape::TextMap,
        "Paths in `event` that must be equal, or match as a whole: `event_type`, `data.service.summary`.",
    )],
};

/// `webhook:`
pub(super) static WEBHOOK: Table = Table {
    of: "`webhook`",
    definition: "webhook",
    keys: &[must(
        "match",
        Shape::TextMap,
        "Paths in the JSON that must be equal, or match as a whole: `repository.name`, `commits.0.id`.",
    )],
};

/// `schedule:`
pub(super) static SCHEDULE: Table = Table {
    of: "`schedule`",
    definition: "schedule",
    keys: &[
        may("every", Shape::Duration, "That long after the last beginning."),
        may(
            "at",
            Shape::Word,
            "Times as cron writes them, `30 3 * * 1-5`, or a time of every day, `03:30`; in UTC.",
        ),
    ],
};

/// `dedupe:`
pub(super) static DEDUPE: Table = Table {
    of: "`dedupe`",
    definition: "dedupe",
    keys: &[
        must("by", Shape::Words, "Parameters that make two alerts the same."),
        must("window", Shape::Duration, "For how long."),
    ],
};
