//! Pages of the RB04xx codes: obligations and the way back.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0401", include_str!("obligation/RB0401.md")),
    ("RB0402", include_str!("obligation/RB0402.md")),
    ("RB0403", include_str!("obligation/RB0403.md")),
    ("RB0404", include_str!("obligation/RB0404.md")),
    ("RB0405", include_str!("obligation/RB0405.md")),
    ("RB0406", include_str!("obligation/RB0406.md")),
    ("RB0407", include_str!("obligation/RB0407.md")),
    ("RB0408", include_str!("obligation/RB0408.md")),
    ("RB0409", include_str!("obligation/RB0409.md")),
    ("RB0410", include_str!("obligation/RB0410.md")),
];
