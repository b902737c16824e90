//! Actions on space: how full a file system is, and deleting old files below named directories.

pub mod clean;
pub mod listing;
pub mod usage;
