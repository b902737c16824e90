//! Pages of the RB06xx codes: the configuration.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0601", include_str!("config/RB0601.md")),
    ("RB0602", include_str!("config/RB0602.md")),
    ("RB0603", include_str!("config/RB0603.md")),
    ("RB0604", include_str!("config/RB0604.md")),
    ("RB0605", include_str!("config/RB0605.md")),
    ("RB0606", include_str!("config/RB0606.md")),
    ("RB0610", include_str!("config/RB0610.md")),
    ("RB0611", include_str!("config/RB0611.md")),
    ("RB0612", include_str!("config/RB0612.md")),
];
