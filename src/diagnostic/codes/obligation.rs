//! Pages of the RB04xx codes.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
