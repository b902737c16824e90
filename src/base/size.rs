//! Numbers of bytes, for people.

/// Three digits and a unit: `1.5 GiB`, `20 MiB`, `0 B`. Below zero is shown as zero.
#[must_use]
pub fn friendly(bytes: f64) -> String {
    let mut number = bytes.max(0.0);
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    if unit == "B" || (number.fract() == 0.0) {
        format!("{number:.0} {unit}")
    } else {
        format!("{number:.1} {unit}")
    }
}

/// As [`friendly`].
// A size for people has three digits; a float has fifteen.
#[allow(clippy::cast_precision_loss)]
#[must_use]
pub fn whole(bytes: i64) -> String {
    friendly(bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(whole(0), "0 B");
        assert_eq!(whole(1536), "1.5 KiB");
        assert_eq!(whole(20 * 1024 * 1024), "20 MiB");
        assert_eq!(whole(-5), "0 B");
    }
}
