//! Texts (being written).
