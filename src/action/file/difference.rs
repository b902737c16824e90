//! The difference between two contents of a file, as a unified diff for people.

use similar::TextDiff;

/// Changed lines, old and new together, that are still compared one by one; beyond, the search takes too long and nobody reads it.
const LINES: usize = 4000;

/// A unified diff, or a sentence where it would be too long.
#[must_use]
pub fn unified(path: &str, old: &str, new: &str) -> String {
    let changed = differing_lines(old, new);
    if changed > LINES {
        return format!(
            "{path}: {} lines replaced by {} lines; too many to show\n",
            old.lines().count(),
            new.lines().count()
        );
    }
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(&format!("{path} (now)"), &format!("{path} (then)"))
        .to_string()
}

/// Lines between the first and the last difference, in both contents.
fn differing_lines(old: &str, new: &str) -> usize {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let front = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let back = old[front..]
        .iter()
        .rev()
        .zip(new[front..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    old.len() + new.len() - 2 * (front + back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changes_and_stays_bounded() {
        let diff = unified("/etc/x", "a\nb\nc\n", "a\nB\nc\n");
        assert_eq!(diff, "--- /etc/x (now)\n+++ /etc/x (then)\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        let long = (0..5000).map(|n| format!("{n}\n")).collect::<String>();
        assert_eq!(unified("/x", &long, ""), "/x: 5000 lines replaced by 0 lines; too many to show\n");
        assert!(unified("/x", &long, &long.replace("4999", "last")).contains("+last"));
    }
}
