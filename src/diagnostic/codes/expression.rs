//! Pages of the RB02xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
