//! The engine alone: scripted lives, thousands of random ones, and bugs planted to prove that the rules would see them.

mod calls;
mod corners;
mod generate;
mod guarded;
mod life;
mod people;
mod rules;
mod sample;
mod scripted;
mod sim;
mod turns;
