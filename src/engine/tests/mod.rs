//! The engine alone: scripted lives, thousands of random ones, and bugs planted to prove that the rules would see them.

mod calls;
mod corners;
pub mod generate;
mod guarded;
mod last_steps;
pub mod life;
mod people;
pub mod rules;
pub mod sample;
mod scripted;
pub mod sim;
mod states;
mod turns;
