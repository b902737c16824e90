//! What every action of the catalogue must prove, without its author's help, and the data files with its cases.

mod cases;
mod catalogue;
mod fixture;
