//! Floor 6: people asked at the terminal; the waiting list is the journal.
