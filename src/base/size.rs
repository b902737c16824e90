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

/// As people write it, and exactly so much: `1MiB`, `20GB`, `1500KB`. The unit is the one that makes the number least.
#[must_use]
pub fn written(bytes: u64) -> String {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    let decimal = [
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000_u64),
    ];
    let fits = |(_, size): &(&str, u64)| bytes > 0 && bytes.is_multiple_of(*size);
    let best = units.into_iter().chain(decimal).filter(fits).min_by_key(|(_, size)| bytes / size);
    let (unit, size) = best.unwrap_or(("B", 1));
    format!("{}{unit}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_it_and_not_a_byte_less() {
        let cases = [
            (0, "0B"),
            (1, "1B"),
            (1_048_576, "1MiB"),
            (1_048_577, "1048577B"),
            (1536, "1536B"),
            (1_610_612_736, "1536MiB"),
            (20_000_000_000, "20GB"),
            (1_500_000, "1500KB"),
            (524_288_000, "500MiB"),
            (1 << 40, "1TiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(written(bytes), expected);
        }
    }

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(whole(0), "0 B");
        assert_eq!(whole(1536), "1.5 KiB");
        assert_eq!(whole(20 * 1024 * 1024), "20 MiB");
        assert_eq!(whole(-5), "0 B");
    }
}
