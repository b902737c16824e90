//! Shell-style matching of whole names: `*`, `?`, `[abc]`, `[!abc]`, `[a-f]`. Linear but for one star at a time.

/// True if every bracket is closed and holds something.
pub(super) fn is_valid(glob: &str) -> bool {
    let chars: Vec<char> = glob.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '[' => match set(&chars, at) {
                Some((_, next)) => at = next,
                None => return false,
            },
            ']' | '!' | '^' => return false,
            _ => at += 1,
        }
    }
    true
}

/// True if the whole of `name` matches.
#[must_use]
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the last star, one character further in the name.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if g < glob.len() && glob[g] == '*' {
            retry = Some((g + 1, n));
            g += 1;
            continue;
        }
        if n == name.len() && g == glob.len() {
            return true;
        }
        if let Some(next) = name.get(n).and_then(|c| one(&glob, g, *c)) {
            (g, n) = (next, n + 1);
            continue;
        }
        match retry {
            Some((after, from)) if from < name.len() => {
                retry = Some((after, from + 1));
                (g, n) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// If the element at `g` matches `c`: where the next element starts.
fn one(glob: &[char], g: usize, c: char) -> Option<usize> {
    match *glob.get(g)? {
        '?' => Some(g + 1),
        '[' => {
            let (inside, next) = set(glob, g)?;
            let (negated, inside) = match inside.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, inside),
            };
            (holds(inside, c) != negated).then_some(next)
        }
        literal => (literal == c).then_some(g + 1),
    }
}

/// The inside of the set that opens at `g`, and where it ends.
fn set(glob: &[char], g: usize) -> Option<(&[char], usize)> {
    let length = glob[g + 1..].iter().position(|c| *c == ']')?;
    let inside = &glob[g + 1..g + 1 + length];
    let said = inside
        .strip_prefix(&['!'])
        .or_else(|| inside.strip_prefix(&['^']))
        .unwrap_or(inside);
    let plain = !said.is_empty() && !said.iter().any(|c| matches!(c, '[' | '*' | '?' | '!' | '^' | ':'));
    plain.then_some((inside, g + length + 2))
}

fn holds(set: &[char], c: char) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
            if (set[at]..=set[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else {
            if set[at] == c {
                return true;
            }
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        let table = [
            ("web-*", "web-01", true),
            ("web-*", "web-", true),
            ("web", "web-01", false),
            ("*-01", "web-01", true),
            ("*a*b", "xaxbxab", true),
            ("*a*b", "xaxbxac", false),
            ("web-0?", "web-01", true),
            ("web-0?", "web-0", false),
            ("node0[24]x", "node02x", true),
            ("node0[24]x", "node03x", false),
            ("n[!24]", "n3", true),
            ("n[!24]", "n2", false),
            ("n[a-f]", "nc", true),
            ("n[a-f]", "ng", false),
            ("n[a-]", "n-", true),
            ("**", "", true),
        ];
        for (glob, name, expected) in table {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(2_000)));
    }

    #[test]
    fn brackets_must_make_sense() {
        for good in ["a", "[ab]", "[!ab]x", "a*[a-f]"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["[", "]", "a[]", "a[!]", "[a", "a]b", "[[a]]", "[a*]", "[1:2:3]", "a!b"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
