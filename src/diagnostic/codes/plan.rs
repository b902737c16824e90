//! Pages of the RB07xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
