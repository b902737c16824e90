//! Pages of the RB00xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
