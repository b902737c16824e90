//! Pages of the RB01xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
