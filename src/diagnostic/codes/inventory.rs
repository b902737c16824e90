//! Pages of the RB05xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
