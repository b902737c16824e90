//! Pages of the RB05xx codes: host patterns and inventories.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0501", include_str!("inventory/RB0501.md")),
    ("RB0502", include_str!("inventory/RB0502.md")),
    ("RB0503", include_str!("inventory/RB0503.md")),
    ("RB0504", include_str!("inventory/RB0504.md")),
    ("RB0505", include_str!("inventory/RB0505.md")),
    ("RB0506", include_str!("inventory/RB0506.md")),
    ("RB0507", include_str!("inventory/RB0507.md")),
    ("RB0510", include_str!("inventory/RB0510.md")),
    ("RB0511", include_str!("inventory/RB0511.md")),
    ("RB0512", include_str!("inventory/RB0512.md")),
    ("RB0513", include_str!("inventory/RB0513.md")),
    ("RB0514", include_str!("inventory/RB0514.md")),
    ("RB0515", include_str!("inventory/RB0515.md")),
    ("RB0516", include_str!("inventory/RB0516.md")),
    ("RB0517", include_str!("inventory/RB0517.md")),
    ("RB0518", include_str!("inventory/RB0518.md")),
    ("RB0519", include_str!("inventory/RB0519.md")),
    ("RB0520", include_str!("inventory/RB0520.md")),
    ("RB0521", include_str!("inventory/RB0521.md")),
    ("RB0522", include_str!("inventory/RB0522.md")),
    ("RB0523", include_str!("inventory/RB0523.md")),
    ("RB0524", include_str!("inventory/RB0524.md")),
    ("RB0525", include_str!("inventory/RB0525.md")),
    ("RB0526", include_str!("inventory/RB0526.md")),
];
