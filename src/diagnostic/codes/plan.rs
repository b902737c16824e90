//! Pages of the RB07xx codes: parameters, hosts and values that only a plan can judge.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    ("RB0701", include_str!("plan/RB0701.md")),
    ("RB0702", include_str!("plan/RB0702.md")),
    ("RB0703", include_str!("plan/RB0703.md")),
    ("RB0705", include_str!("plan/RB0705.md")),
    ("RB0706", include_str!("plan/RB0706.md")),
    ("RB0707", include_str!("plan/RB0707.md")),
    ("RB0708", include_str!("plan/RB0708.md")),
    ("RB0709", include_str!("plan/RB0709.md")),
    ("RB0710", include_str!("plan/RB0710.md")),
    ("RB0711", include_str!("plan/RB0711.md")),
    ("RB0712", include_str!("plan/RB0712.md")),
    ("RB0713", include_str!("plan/RB0713.md")),
    ("RB0714", include_str!("plan/RB0714.md")),
    ("RB0715", include_str!("plan/RB0715.md")),
    ("RB0720", include_str!("plan/RB0720.md")),
    ("RB0730", include_str!("plan/RB0730.md")),
    ("RB0731", include_str!("plan/RB0731.md")),
    ("RB0740", include_str!("plan/RB0740.md")),
    ("RB0741", include_str!("plan/RB0741.md")),
];
