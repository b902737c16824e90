//! Tests of rehearsals.
