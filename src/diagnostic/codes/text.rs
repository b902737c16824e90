//! Pages of the RB03xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
