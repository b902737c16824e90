//! Ranges in the names of an inventory: `web-[01:50]`, `[1:10:3]`, `[a:f]`, several per name.

use crate::base::sanitise::one_line;

/// One name must not fill the memory.
const MOST_NAMES: usize = 10_000;

/// The names that `text` stands for, in ascending order, the leftmost range slowest. Without a range: the text itself. Brackets
/// without a colon are left alone.
///
/// # Errors
/// A sentence for people.
pub fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let Some(length) = rest[open..].find(']') else { break };
        let inside = &rest[open + 1..open + length];
        let values = if inside.contains(':') {
            values(inside).map_err(|why| format!("range `[{}]` in `{}`: {why}", one_line(inside, 30), one_line(text, 60)))?
        } else {
            vec![format!("[{inside}]")]
        };
        if names.len().saturating_mul(values.len()) > MOST_NAMES {
            return Err(format!("`{}` stands for more than {MOST_NAMES} names", one_line(text, 60)));
        }
        let before = &rest[..open];
        names = names
            .iter()
            .flat_map(|name| values.iter().map(move |v| format!("{name}{before}{v}")))
            .collect();
        rest = &rest[open + length + 1..];
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

fn values(inside: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = inside.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => (
            *first,
            *last,
            step.parse().ok().filter(|s| *s > 0).ok_or("the step must be a number from 1 on")?,
        ),
        _ => return Err("write `[first:last]` or `[first:last:step]`".into()),
    };
    if let ([a], [b]) = (first.as_bytes(), last.as_bytes()) {
        let same_case = (a.is_ascii_lowercase() && b.is_ascii_lowercase()) || (a.is_ascii_uppercase() && b.is_ascii_uppercase());
        if same_case {
            return in_order(a <= b).map(|()| (*a..=*b).step_by(step).map(|c| char::from(c).to_string()).collect());
        }
    }
    let number = |t: &str| t.parse::<u32>().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit()));
    let (Some(a), Some(b)) = (number(first), number(last)) else {
        return Err("both ends must be numbers, or single letters of the same case".into());
    };
    in_order(a <= b)?;
    let padded = first.len() > 1 && first.starts_with('0');
    if padded && first.len() != last.len() {
        return Err("with leading zeros both ends must have the same number of digits".into());
    }
    let width = if padded { first.len() } else { 0 };
    if (b - a) as usize / step >= MOST_NAMES {
        return Err(format!("more than {MOST_NAMES} names"));
    }
    Ok((a..=b).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

fn in_order(ascending: bool) -> Result<(), String> {
    if ascending {
        Ok(())
    } else {
        Err("the first end is greater than the last".into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ranges_expand_as_people_mean() {
        let table: &[(&str, &[&str])] = &[
            ("web", &["web"]),
            ("web-[01:03]", &["web-01", "web-02", "web-03"]),
            ("web-[08:11]", &["web-08", "web-09", "web-10", "web-11"]),
            ("w[1:10:3]x", &["w1x", "w4x", "w7x", "w10x"]),
            ("[a:c]", &["a", "b", "c"]),
            ("[A:E:2]", &["A", "C", "E"]),
            ("r[1:2]-[a:b]", &["r1-a", "r1-b", "r2-a", "r2-b"]),
            ("w[12]", &["w[12]"]),
            ("w[5:5]", &["w5"]),
            ("w[0:1]", &["w0", "w1"]),
        ];
        for (text, names) in table {
            assert_eq!(&expand(text).unwrap(), names, "{text}");
        }
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        for text in [
            "[3:1]",
            "[c:a]",
            "[a:B]",
            "[1:]",
            "[:3]",
            "[:]",
            "[1:3:0]",
            "[1:3:x]",
            "[01:100]",
            "[-1:3]",
            "[+1:3]",
            "[1:2:3:4]",
            "[aa:bb]",
            "[0:4294967295]",
            "[0:4294967296]",
            "[1:10000][1:10000]",
            "[1:10001]",
        ] {
            assert!(expand(text).is_err(), "{text}");
        }
    }
}
