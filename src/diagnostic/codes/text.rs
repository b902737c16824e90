//! Pages of the RB03xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0301", include_str!("RB0301.md")),
    ("RB0302", include_str!("RB0302.md")),
    ("RB0303", include_str!("RB0303.md")),
    ("RB0304", include_str!("RB0304.md")),
    ("RB0305", include_str!("RB0305.md")),
    ("RB0306", include_str!("RB0306.md")),
    ("RB0307", include_str!("RB0307.md")),
    ("RB0308", include_str!("RB0308.md")),
    ("RB0309", include_str!("RB0309.md")),
    ("RB0310", include_str!("RB0310.md")),
    ("RB0311", include_str!("RB0311.md")),
    ("RB0312", include_str!("RB0312.md")),
    ("RB0313", include_str!("RB0313.md")),
    ("RB0314", include_str!("RB0314.md")),
    ("RB0320", include_str!("RB0320.md")),
];
