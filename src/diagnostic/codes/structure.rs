//! Pages of the RB01xx codes: structure, names, order and arguments.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0101", include_str!("structure/RB0101.md")),
    ("RB0102", include_str!("structure/RB0102.md")),
    ("RB0103", include_str!("structure/RB0103.md")),
    ("RB0104", include_str!("structure/RB0104.md")),
    ("RB0105", include_str!("structure/RB0105.md")),
    ("RB0106", include_str!("structure/RB0106.md")),
    ("RB0107", include_str!("structure/RB0107.md")),
    ("RB0108", include_str!("structure/RB0108.md")),
    ("RB0109", include_str!("structure/RB0109.md")),
    ("RB0110", include_str!("structure/RB0110.md")),
    ("RB0111", include_str!("structure/RB0111.md")),
    ("RB0112", include_str!("structure/RB0112.md")),
    ("RB0113", include_str!("structure/RB0113.md")),
    ("RB0114", include_str!("structure/RB0114.md")),
    ("RB0115", include_str!("structure/RB0115.md")),
    ("RB0116", include_str!("structure/RB0116.md")),
    ("RB0117", include_str!("structure/RB0117.md")),
    ("RB0118", include_str!("structure/RB0118.md")),
    ("RB0130", include_str!("structure/RB0130.md")),
    ("RB0131", include_str!("structure/RB0131.md")),
    ("RB0132", include_str!("structure/RB0132.md")),
    ("RB0133", include_str!("structure/RB0133.md")),
    ("RB0134", include_str!("structure/RB0134.md")),
    ("RB0135", include_str!("structure/RB0135.md")),
    ("RB0136", include_str!("structure/RB0136.md")),
];
