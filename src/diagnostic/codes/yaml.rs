//! Pages of the RB00xx codes: texts that are not our YAML, and fields of the wrong name or type.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0001", include_str!("yaml/RB0001.md")),
    ("RB0002", include_str!("yaml/RB0002.md")),
    ("RB0003", include_str!("yaml/RB0003.md")),
    ("RB0004", include_str!("yaml/RB0004.md")),
    ("RB0005", include_str!("yaml/RB0005.md")),
    ("RB0006", include_str!("yaml/RB0006.md")),
    ("RB0007", include_str!("yaml/RB0007.md")),
    ("RB0008", include_str!("yaml/RB0008.md")),
    ("RB0009", include_str!("yaml/RB0009.md")),
    ("RB0010", include_str!("yaml/RB0010.md")),
    ("RB0011", include_str!("yaml/RB0011.md")),
    ("RB0012", include_str!("yaml/RB0012.md")),
    ("RB0014", include_str!("yaml/RB0014.md")),
    ("RB0015", include_str!("yaml/RB0015.md")),
    ("RB0016", include_str!("yaml/RB0016.md")),
    ("RB0017", include_str!("yaml/RB0017.md")),
    ("RB0020", include_str!("yaml/RB0020.md")),
    ("RB0021", include_str!("yaml/RB0021.md")),
    ("RB0022", include_str!("yaml/RB0022.md")),
    ("RB0023", include_str!("yaml/RB0023.md")),
];
