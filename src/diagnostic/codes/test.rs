//! Pages of the RB08xx codes: tests of runbooks.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0801", include_str!("test/RB0801.md")),
    ("RB0802", include_str!("test/RB0802.md")),
    ("RB0803", include_str!("test/RB0803.md")),
    ("RB0804", include_str!("test/RB0804.md")),
    ("RB0805", include_str!("test/RB0805.md")),
    ("RB0810", include_str!("test/RB0810.md")),
    ("RB0811", include_str!("test/RB0811.md")),
];
