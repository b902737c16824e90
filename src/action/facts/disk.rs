//! Reads `df -P -k`.

use crate::base::value::Value;

/// File systems in memory, and images that are full by design: nobody can free space there.
const LEFT_OUT: &[&str] = &["tmpfs", "devtmpfs", "udev", "none", "shm", "efivarfs", "squashfs"];

/// The file systems in the order `df` names them.
///
/// # Errors
/// Nothing in it can be read.
pub fn read(text: &str) -> Result<Value, String> {
    let rows: Vec<Row> = text.lines().filter_map(Row::read).collect();
    if rows.is_empty() {
        return Err(String::from("`df -P -k` names no file system"));
    }
    let shown = rows.iter().filter(|row| row.counts());
    Ok(Value::List(shown.map(Row::to_value).collect()))
}

/// One line of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is mounted.
    pub device: String,
    /// All of it.
    pub total_kib: u64,
    /// In use.
    pub used_kib: u64,
    /// What ordinary users can still have.
    pub free_kib: u64,
    /// Where it is mounted.
    pub mount: String,
}

impl Row {
    /// `DEVICE BLOCKS USED FREE PERCENT MOUNT`; the device and the mount may hold blanks, the percentage tells where.
    #[must_use]
    pub fn read(line: &str) -> Option<Row> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_percent = |word: &&str| word.strip_suffix('%').is_some_and(|n| n.parse::<u32>().is_ok());
        let at = words.iter().position(is_percent)?;
        if at < 4 || at + 1 >= words.len() {
            return None;
        }
        Some(Row {
            device: words[..at - 3].join(" "),
            total_kib: words[at - 3].parse().ok()?,
            used_kib: words[at - 2].parse().ok()?,
            free_kib: words[at - 1].parse().ok()?,
            mount: words[at + 1..].join(" "),
        })
    }

    fn counts(&self) -> bool {
        let image = self.device.starts_with("/dev/loop");
        self.used_kib + self.free_kib > 0 && !image && !LEFT_OUT.contains(&self.device.as_str())
    }

    fn to_value(&self) -> Value {
        // Of what ordinary users can have, as `df` counts; blocks reserved for root are in neither.
        #[allow(clippy::cast_precision_loss)]
        let used = 100.0 * self.used_kib as f64 / (self.used_kib + self.free_kib) as f64;
        Value::map([
            ("mount", Value::text(&self.mount)),
            ("used_percent", Value::Float((used * 10.0).round() / 10.0)),
            (
                "free_bytes",
                Value::Int(i64::try_from(self.free_kib.saturating_mul(1024)).unwrap_or(i64::MAX)),
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_what_does_not_count() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    /dev/sda1 1000 300 600 34% /\n\
                    tmpfs 1000 0 1000 0% /run\n\
                    /dev/loop3 100 100 0 100% /snap/core\n\
                    nas:/my share 4000 4000 0 100% /mnt/my share\n";
        let Ok(Value::List(rows)) = read(text) else {
            panic!("a list");
        };
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].field("used_percent"), Some(Value::Float(33.3)));
        assert_eq!(rows[0].field("free_bytes"), Some(Value::Int(614_400)));
        assert_eq!(rows[1].field("mount"), Some(Value::text("/mnt/my share")));
        assert!(read("").is_err());
    }
}
