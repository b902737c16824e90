//! Diagnostics as text, in the manner of rustc. Pure: to a `String`; the edge decides about colour.
