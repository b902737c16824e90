//! What only `ssh` can get wrong: logins, keys, limits, and what a connection leaves behind.
