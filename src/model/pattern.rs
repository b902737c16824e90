//! Host patterns: which hosts of an inventory a text means.
