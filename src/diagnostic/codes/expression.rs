//! Pages of the RB02xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0201", include_str!("RB0201.md")),
    ("RB0202", include_str!("RB0202.md")),
    ("RB0203", include_str!("RB0203.md")),
    ("RB0204", include_str!("RB0204.md")),
    ("RB0205", include_str!("RB0205.md")),
    ("RB0206", include_str!("RB0206.md")),
    ("RB0207", include_str!("RB0207.md")),
    ("RB0208", include_str!("RB0208.md")),
    ("RB0209", include_str!("RB0209.md")),
    ("RB0210", include_str!("RB0210.md")),
    ("RB0211", include_str!("RB0211.md")),
];
