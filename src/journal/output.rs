//! What attempts wrote, in bounded pieces. Pure.

use crate::base::bound::OUTPUT_BYTES;

/// Which stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    pub(super) fn number(self) -> i64 {
        match self {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        }
    }

    pub(super) fn from_number(number: i64) -> Stream {
        if number == 2 { Stream::Stderr } else { Stream::Stdout }
    }
}

/// One stream of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutput {
    /// From 1.
    pub attempt: u32,
    /// Which.
    pub stream: Stream,
    /// At most `bound::OUTPUT_BYTES`; hostile.
    pub bytes: Vec<u8>,
    /// Something is missing: beyond the bound, or never received.
    pub truncated: bool,
}

/// A piece to be kept: what is new of `bytes` and still within the bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Where it belongs.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Bytes were missing before it, or dropped after it.
    pub lossy: bool,
}

/// What to keep of `bytes` at `offset` when everything before `end` is there; `None`: nothing new.
pub(super) fn piece(end: u64, offset: u64, bytes: &[u8]) -> Option<Piece<'_>> {
    let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
    let fresh = bytes.get(known..).filter(|b| !b.is_empty())?;
    let start = offset.max(end);
    let room = usize::try_from((OUTPUT_BYTES as u64).saturating_sub(start)).unwrap_or(usize::MAX);
    let kept = &fresh[..fresh.len().min(room)];
    Some(Piece {
        offset: start.min(OUTPUT_BYTES as u64),
        bytes: kept,
        lossy: start > end || kept.len() < fresh.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_kept_once_and_within_the_bound() {
        let kept = |end, offset, bytes| piece(end, offset, bytes).map(|p| (p.offset, p.bytes.len(), p.lossy));
        assert_eq!(kept(0, 0, b"abc"), Some((0, 3, false)));
        assert_eq!(kept(3, 0, b"abc"), None, "sent again after a lost link");
        assert_eq!(kept(3, 1, b"bcde"), Some((3, 2, false)));
        assert_eq!(kept(3, 5, b"x"), Some((5, 1, true)), "a hole is a loss");
        let bound = OUTPUT_BYTES as u64;
        assert_eq!(kept(bound - 1, bound - 1, b"xyz"), Some((bound - 1, 1, true)));
        assert_eq!(kept(bound, bound, b"xyz"), Some((bound, 0, true)));
    }
}
