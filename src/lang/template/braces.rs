//! The raw text between braces: where a tag ends, how deep it nests, and the names of a path.

/// Blocks in blocks, brackets in a placeholder. The parser below recurses; real texts need three.
pub(super) const NESTING: usize = 8;

/// The names of `steps.check.hosts.[web-01].ok`; `Err` is help.
pub(super) fn split(raw: &str) -> Result<Vec<String>, &'static str> {
    if raw.starts_with("..") {
        return Err("name the item instead: `{{#each path as |item|}}`; names outside can be read as they are");
    }
    if raw.starts_with("@root") || raw.starts_with("./") {
        return Err("names outside a block can be read as they are: `{{params.pool}}`");
    }
    let mut path = Vec::new();
    let mut rest = raw;
    loop {
        let (name, after) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or("`[` has no `]`")?,
            None => rest.split_at(rest.find(['.', '/', '[']).unwrap_or(rest.len())),
        };
        if name.is_empty() {
            return Err("write names with a dot between them: `{{params.pool}}`");
        }
        path.push(name.to_owned());
        rest = match after.strip_prefix('.') {
            Some(next) => next,
            None if after.is_empty() => return Ok(path),
            None => return Err("write names with a dot between them: `{{params.pool}}`, `{{steps.check.hosts.[web-01].ok}}`"),
        };
    }
}

/// One past the `}}` of the tag at `start`; quotes inside are skipped.
pub(super) fn tag_end(source: &str, start: usize) -> usize {
    let bytes = source.as_bytes();
    let mut quote = None;
    let mut at = start;
    while at < bytes.len() {
        let here = bytes[at];
        match quote {
            Some(q) if here == q => quote = None,
            Some(_) => {}
            None if here == b'\'' || here == b'"' => quote = Some(here),
            None if bytes[at..].starts_with(b"}}") => {
                let extra = bytes[at + 2..]
                    .iter()
                    .take_while(|b| **b == b'}')
                    .count()
                    .min(usize::from(bytes[start..].starts_with(b"{{{")));
                return at + 2 + extra;
            }
            // An unclosed tag: what is underlined ends with the line.
            None if here == b'\n' => return at,
            None => {}
        }
        at += 1;
    }
    // No end because of a stray quote: up to the first braces that close.
    source
        .get(start..)
        .and_then(|rest| rest.find("}}"))
        .map_or(source.len(), |i| start + i + 2)
}

/// Where nesting passes the bound, if it does; judged before the real parser, which recurses.
pub(super) fn too_deep(source: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, _) in source.match_indices("{{") {
        let tag = &source[at + 2..];
        match tag.trim_start_matches(['{', '~']).bytes().next() {
            Some(b'#') => open += 1,
            Some(b'/') => open = open.saturating_sub(1),
            _ => {}
        }
        let mut brackets = 0usize;
        let mut quote = None;
        for (i, c) in tag.bytes().enumerate() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (None, b'\'' | b'"') => quote = Some(c),
                (None, b'}') if tag.as_bytes()[i..].starts_with(b"}}") => break,
                (_, b'(' | b'[' | b'{') => brackets += 1,
                _ => {}
            }
            if brackets > 4 * NESTING {
                return Some(at);
            }
        }
        if open > NESTING {
            return Some(at);
        }
    }
    None
}

/// The first tag of Go's template language: `{{.Names}}`, `{{json .}}`, `{{- range …}}`.
pub(super) fn go_template(source: &str) -> Option<usize> {
    source.match_indices("{{").map(|(at, _)| at).find(|at| {
        let tag = &source[*at + 2..tag_end(source, *at).max(*at + 2)];
        let inner = tag.trim_end_matches('}').trim_matches([' ', '-', '~']);
        inner.starts_with('.')
            || inner.starts_with('$')
            || inner.split_whitespace().skip(1).any(|w| w.starts_with('.') && !w.starts_with(".."))
    })
}
