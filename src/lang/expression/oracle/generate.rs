//! Random expressions. Their kinds are chosen so that most are well typed; one in eight joins any two kinds, right or wrong.

/// A repeatable source of numbers: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What an expression is meant to yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    Text,
    State,
    Duration,
    Null,
    Dynamic,
    Ints,
    Floats,
    Texts,
    Bools,
    Members,
    Member,
    Map,
}
use Kind::{Bool, Bools, Dynamic, Float, Floats, Int, Ints, Map, Member, Members, Null, State, Text, Texts};

pub(super) const KINDS: &[Kind] = &[
    Bool,
    Int,
    Float,
    Text,
    State,
    Kind::Duration,
    Null,
    Dynamic,
    Ints,
    Floats,
    Texts,
    Bools,
    Members,
    Member,
    Map,
];
pub(super) const OPERATORS: &[&str] = &["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in", "&&", "||"];
pub(super) const CONVERSIONS: &[&str] = &["size", "int", "double", "string"];
pub(super) const TEXT_TESTS: &[&str] = &["contains", "startsWith", "endsWith", "matches"];
pub(super) const COMPREHENSIONS: &[&str] = &["exists", "all", "exists_one", "filter", "map"];

/// Expressions of a kind that hold no other.
pub(super) fn leaves(kind: Kind) -> &'static [&'static str] {
    match kind {
        Bool => &[
            "true",
            "false",
            "yes",
            "no",
            "members[0].up",
            "'site' in vars",
            "has(vars.site)",
            "has(vars.gone)",
        ],
        Int => &[
            "0",
            "1",
            "-1",
            "7",
            "n",
            "9223372036854775807",
            "-9223372036854775808",
            "members[1].weight",
            "ints[0]",
            "ints[9]",
        ],
        Float => &["0.0", "1.5", "x", "-2.25", "1e3", "members[2].share"],
        Text => &["''", "'web-01'", "\"é\\n\"", "'it\\'s'", "t", "members[0].name", "'12'", "'1.5'"],
        State => &["members[0].state", "members[1].state"],
        Kind::Duration => &["wait", "duration('90s')", "duration('1h30m')", "duration('500ms')"],
        Null => &["null"],
        Dynamic => &["vars.a", "vars.site", "vars['site']", "vars.half", "vars.on", "vars.list"],
        Ints => &["ints", "none", "[1, 2, 3]", "[n]"],
        Floats => &["floats", "[0.5, x]"],
        Texts => &["texts", "['a', t]", "members.map(m, m.name)"],
        Bools => &["bools", "[yes, false]"],
        Members => &["members", "members.filter(m, m.up)"],
        Member => &["members[0]", "members[2]"],
        Map => &["vars"],
    }
}

/// A whole expression; one in four is one of `possible`, one list after the other, so that no pair of types is rare.
pub(super) fn expression(dice: &mut Dice, possible: &[&Vec<String>]) -> String {
    match dice.below(8) {
        0 => mixed(dice),
        1 | 2 => {
            let list = possible[dice.below(possible.len())];
            list[dice.below(list.len())].clone()
        }
        _ => {
            let kind = dice.pick(&[Bool, Bool, Int, Float, Text, Ints, Texts, Kind::Duration]);
            grown(kind, 3, dice)
        }
    }
}

/// Any operator between any two kinds, any function of any kind.
fn mixed(dice: &mut Dice) -> String {
    let (a, b) = (dice.pick(KINDS), dice.pick(KINDS));
    let (left, right) = (grown(a, 1, dice), grown(b, 1, dice));
    match dice.below(4) {
        0 => format!("{}({left})", dice.pick(CONVERSIONS)),
        1 => format!("({left}).{}({right})", dice.pick(TEXT_TESTS)),
        _ => format!("({left}) {} ({right})", dice.pick(OPERATORS)),
    }
}

fn grown(kind: Kind, depth: u32, dice: &mut Dice) -> String {
    if depth == 0 || dice.one_in(4) {
        return dice.pick(leaves(kind)).to_owned();
    }
    let d = depth - 1;
    if dice.one_in(8) {
        let text = format!(
            "{} ? {} : {}",
            bracketed(grown(Bool, d, dice), dice),
            grown(kind, d, dice),
            grown(kind, d, dice)
        );
        return bracketed(text, dice);
    }
    match kind {
        Bool => condition(d, dice),
        Int => whole(d, dice),
        Float => match dice.below(3) {
            0 => format!("double({})", of_any(&[Float, Int, Text], d, dice)),
            1 => format!("-({})", grown(Float, d, dice)),
            _ => joined(Float, &["+", "-", "*", "/"], d, dice),
        },
        Text => match dice.below(2) {
            0 => format!("({} + {})", of_any(&[Text, State], d, dice), of_any(&[Text, State], d, dice)),
            _ => format!("string({})", of_any(&[Int, Float, Text, Bool, State], d, dice)),
        },
        Kind::Duration => joined(kind, &["+", "-"], d, dice),
        Ints => match dice.below(4) {
            0 => format!("{}.map(v, v * 2 - 1)", grown(Ints, d, dice)),
            1 => format!("{}.filter(v, {})", grown(Ints, d, dice), dice.pick(&["v > 0", "v != n"])),
            2 => format!("{}.map(m, m.weight)", grown(Members, d, dice)),
            _ => format!("({} + {})", grown(Ints, d, dice), grown(Ints, d, dice)),
        },
        Texts => match dice.below(2) {
            0 => format!("{}.map(m, {})", grown(Members, d, dice), dice.pick(&["m.name", "string(m.weight)"])),
            _ => format!("({} + {})", grown(Texts, d, dice), grown(Texts, d, dice)),
        },
        Floats => format!("({} + {})", grown(Floats, d, dice), grown(Floats, d, dice)),
        Bools => format!("{}.map(m, m.up)", grown(Members, d, dice)),
        Members => format!("{}.filter(m, {})", grown(Members, d, dice), about_a_member(dice)),
        State | Null | Dynamic | Member | Map => dice.pick(leaves(kind)).to_owned(),
    }
}

fn condition(d: u32, dice: &mut Dice) -> String {
    let compare = dice.pick(&["==", "!=", "<", "<=", ">", ">="]);
    let equal = dice.pick(&["==", "!="]);
    match dice.below(16) {
        0 | 1 => joined(Bool, &["&&", "||", "==", "!="], d, dice),
        2 => format!("{} {compare} {}", grown(Int, d, dice), grown(Int, d, dice)),
        3 => format!("{} {compare} {}", of_any(&[Int, Float], d, dice), of_any(&[Float, Int], d, dice)),
        4 => format!("{} {compare} {}", of_any(&[Text], d, dice), of_any(&[Text], d, dice)),
        5 => format!("{} {compare} {}", grown(Kind::Duration, d, dice), grown(Kind::Duration, d, dice)),
        6 => {
            let kind = dice.pick(&[Ints, Texts, Floats, Bools]);
            format!("{} {equal} {}", grown(kind, d, dice), grown(kind, d, dice))
        }
        7 => format!("!({})", grown(Bool, d, dice)),
        8 => format!("{} in {}", grown(Int, d, dice), grown(Ints, d, dice)),
        9 => format!("{} in {}", of_any(&[Text, State], d, dice), grown(Texts, d, dice)),
        10 => {
            let test = dice.pick(&["exists", "all", "exists_one"]);
            let body = dice.pick(&["v > 1", "v == n", "v % 2 == 0", "v / v == 1", "v != 3 && yes", "v in ints"]);
            format!("{}.{test}(v, {body})", grown(Ints, d, dice))
        }
        11 => {
            let test = dice.pick(&["exists", "all", "exists_one"]);
            format!("{}.{test}(m, {})", grown(Members, d, dice), about_a_member(dice))
        }
        12 => format!(
            "({}).{}({})",
            of_any(&[Text, State], d, dice),
            dice.pick(&["contains", "startsWith", "endsWith"]),
            grown(Text, d, dice)
        ),
        13 => format!(
            "({}).matches({})",
            of_any(&[Text, State], d, dice),
            dice.pick(&["'^web'", "'[0-9]+$'", "'a|b'", "''", "'.é?'"])
        ),
        14 => format!(
            "{} {equal} {}",
            grown(State, d, dice),
            dice.pick(&["'ready'", "'drain'", "members[2].state", "t"])
        ),
        _ => format!(
            "{} {equal} {}",
            grown(Dynamic, d, dice),
            dice.pick(&["1", "'eu'", "0.5", "true", "null", "n", "t"])
        ),
    }
}

fn whole(d: u32, dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => format!("-({})", grown(Int, d, dice)),
        1 => format!("size({})", of_any(&[Text, State, Ints, Texts, Members, Map], d, dice)),
        2 => format!("({}).size()", of_any(&[Text, Ints, Texts, Members, Map], d, dice)),
        3 => format!("int({})", of_any(&[Float, Int, Text], d, dice)),
        4 => format!("{}[{}]", grown(Ints, d, dice), dice.pick(&["0", "1", "n - 6", "-1", "2"])),
        _ => joined(Int, &["+", "-", "*", "/", "%"], d, dice),
    }
}

fn joined(kind: Kind, operators: &[&'static str], d: u32, dice: &mut Dice) -> String {
    let text = format!("{} {} {}", grown(kind, d, dice), dice.pick(operators), grown(kind, d, dice));
    bracketed(text, dice)
}

fn of_any(kinds: &[Kind], depth: u32, dice: &mut Dice) -> String {
    grown(dice.pick(kinds), depth, dice)
}

fn about_a_member(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "m.up",
        "m.state == 'ready'",
        "m.state in ['drain', 'maint']",
        "m.weight > n",
        "m.name.startsWith('web')",
        "m.share * 2.0 > x && m.up",
        "!m.up",
    ])
}

/// With brackets and without: precedence is tested too.
fn bracketed(text: String, dice: &mut Dice) -> String {
    if dice.one_in(2) { format!("({text})") } else { text }
}
