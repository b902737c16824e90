//! Pages of the RB06xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
