//! Source text as the rules see it: files of the tree, tokens of Rust without comments, which tokens are tests, and the paths they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The top of the project.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` of the project, as paths from the top with `/`; build output and version control left out.
pub fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(path) = waiting.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let from_top = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            match path.is_dir() {
                true if from_top == "target" || from_top == ".git" => {}
                true => waiting.push(path),
                false => found.push(from_top),
            }
        }
    }
    found.sort();
    found
}

/// The text of a file; bytes that are no text become marks.
pub fn text(file: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(file)).unwrap()).into_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Text,
    Mark,
}

/// A word, the content of a literal, or one other character; comments are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
    /// Stands in code that only tests compile.
    pub test: bool,
}

/// Splits Rust into tokens and says which of them are tests.
pub fn tokens(source: &str) -> Vec<Token> {
    let shape = regex_lite::Regex::new(concat!(
        r###"(?s)(?<none>//[^\n]*|/\*.*?\*/|\s+|'[a-z_]\w*\b(?:[^']|$))"###,
        r###"|b?r(?<raw>"[^"]*"|#"(?:[^"]|"[^#])*"#|##"(?:[^"]|"[^#]|"#[^#])*"##)|b?"(?<text>(?:[^"\\]|\\.)*)""###,
        r###"|b?'(?<char>[^'\\]|\\u\{\w+\}|\\x\w\w|\\.)'|(?<word>[A-Za-z_]\w*)|(?<mark>.)"###
    ))
    .unwrap();
    let (mut found, mut line, mut at) = (Vec::new(), 1, 0);
    while let Some(captures) = shape.captures_at(source, at) {
        let whole = captures.get(0).unwrap();
        // A lifetime's pattern looks one character ahead; that character is read again.
        let lifetime = whole.as_str().starts_with('\'') && captures.name("none").is_some();
        let end = whole.end()
            - if lifetime {
                whole.as_str().chars().last().unwrap().len_utf8()
            } else {
                0
            };
        let mut push = |kind, text: &str| {
            found.push(Token {
                kind,
                text: text.to_owned(),
                line,
                test: false,
            })
        };
        for (name, kind) in [
            ("raw", Kind::Text),
            ("text", Kind::Text),
            ("char", Kind::Text),
            ("word", Kind::Word),
            ("mark", Kind::Mark),
        ] {
            if let Some(part) = captures.name(name) {
                push(kind, part.as_str());
            }
        }
        line += source[at..end].matches('\n').count();
        at = end.max(at + 1);
    }
    mark_tests(&mut found);
    found
}

/// `#[cfg(test)]` and the item after it.
fn mark_tests(tokens: &mut [Token]) {
    let starts: Vec<usize> = (0..tokens.len())
        .filter(|i| spells(&tokens[*i..], &["#", "[", "cfg", "(", "test", ")", "]"]))
        .collect();
    for start in starts {
        let (mut i, mut depth) = (start + 7, 0usize);
        while let Some(token) = tokens.get(i) {
            let mark = if token.kind == Kind::Mark { token.text.as_str() } else { "" };
            depth = match mark {
                "{" | "(" | "[" => depth + 1,
                "}" | ")" | "]" => depth.saturating_sub(1),
                _ => depth,
            };
            i += 1;
            if depth == 0 && (mark == ";" || mark == "}") {
                break;
            }
        }
        tokens[start..i].iter_mut().for_each(|t| t.test = true);
    }
}

/// True when the tokens begin with these words and marks.
pub fn spells(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(t, w)| t.kind != Kind::Text && t.text == *w)
}

/// A path as named by the code, groups taken apart: `use a::{b, c::d}` names `a::b` and `a::c::d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
    pub test: bool,
    /// A macro is called.
    pub called: bool,
}

/// Every path and word that the tokens name.
pub fn named(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        i = if tokens[i].kind == Kind::Word {
            path(tokens, i, &[], &mut found)
        } else {
            i + 1
        };
    }
    found
}

fn path(tokens: &[Token], start: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut path = before.to_vec();
    let mut i = start;
    loop {
        path.push(tokens[i].text.clone());
        i += 1;
        if !spells(&tokens[i..], &[":", ":"]) {
            break;
        }
        i += 2;
        match tokens.get(i) {
            Some(t) if t.kind == Kind::Word => {}
            Some(t) if t.text == "{" => return group(tokens, i + 1, &path, found),
            _ => break,
        }
    }
    let next = |n: usize| {
        tokens
            .get(n)
            .is_some_and(|t| t.kind == Kind::Mark && t.text == if n == i { "!" } else { "=" })
    };
    found.push(Named {
        path,
        line: tokens[start].line,
        test: tokens[start].test,
        called: next(i) && !next(i + 1),
    });
    i
}

fn group(tokens: &[Token], start: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut i = start;
    while let Some(token) = tokens.get(i) {
        i = match (token.kind, token.text.as_str()) {
            (Kind::Word, _) => path(tokens, i, before, found),
            (_, "}") => return i + 1,
            _ => i + 1,
        };
    }
    i
}

/// A file of the library or the program, found through the `mod` lines from the top.
pub struct Source {
    /// From the top: `src/plan/mod.rs`.
    pub file: String,
    pub tokens: Vec<Token>,
    /// Modules above it: 0 for `lib.rs`, 1 for `plan/mod.rs`, 2 for `plan/graph.rs`.
    pub depth: usize,
    /// Only tests compile it.
    pub test: bool,
}

/// Every file that `lib.rs` and `main.rs` lead to.
pub fn reachable() -> &'static [Source] {
    static ALL: OnceLock<Vec<Source>> = OnceLock::new();
    ALL.get_or_init(read_all)
}

fn read_all() -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting = vec![("src/lib.rs".to_owned(), 0, false), ("src/main.rs".to_owned(), 0, false)];
    let mut seen = BTreeSet::new();
    while let Some((file, depth, test)) = waiting.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let tokens = tokens(&text(&file));
        for i in 0..tokens.len() {
            if tokens[i].kind == Kind::Word && tokens[i].text == "mod" && spells(&tokens[(i + 2).min(tokens.len())..], &[";"]) {
                waiting.push((child(&file, &tokens, i), depth + 1, test || tokens[i].test));
            }
        }
        found.push(Source { file, tokens, depth, test });
    }
    found
}

fn child(file: &str, tokens: &[Token], at: usize) -> String {
    let file = Path::new(file);
    let folder = file.parent().unwrap();
    // `#[path = "x.rs"] mod y;`, whatever visibility stands between.
    let attribute = (at.saturating_sub(10)..at)
        .rev()
        .find(|i| spells(&tokens[*i..], &["#", "[", "path", "="]));
    let between = |i: usize| !tokens[i..at].iter().any(|t| t.kind == Kind::Mark && t.text == ";");
    if let Some(i) = attribute.filter(|i| between(*i)) {
        return folder.join(&tokens[i + 4].text).to_str().unwrap().to_owned();
    }
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let folder = if ["lib", "main", "mod"].contains(&stem) {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let name = &tokens[at + 1].text;
    let flat = folder.join(format!("{name}.rs"));
    let deep = folder.join(name).join("mod.rs");
    let path = if root().join(&flat).exists() { flat } else { deep };
    path.to_str().unwrap().to_owned()
}

#[test]
fn tokens_leave_comments_out_and_know_tests() {
    let source = "use a::{b, c::{self, d}}; // crate::no\n/* std::fs */ fn f<'a>(c: char) { let s = \"x::y\"; g!('{'); }\n\
                  #[cfg(test)]\n#[allow(x)]\nmod tests { use z::w; }\nlet r = r#\"q::q \"quoted\" \"#; h::i";
    let found = named(&tokens(source));
    let paths: Vec<(String, bool)> = found
        .iter()
        .filter(|n| n.path.len() > 1)
        .map(|n| (n.path.join("::"), n.test))
        .collect();
    let expected = [
        ("a::b", false),
        ("a::c::self", false),
        ("a::c::d", false),
        ("z::w", true),
        ("h::i", false),
    ];
    assert_eq!(paths, expected.map(|(p, t)| (p.to_owned(), t)));
    assert!(found.iter().any(|n| n.called && n.path == ["g"]));
    assert_eq!(found.last().unwrap().line, 6);
}
