//! What people and programs read: plans, lines while a run goes on, its end, tables, questions, diagrams. Pure: models in, text out.
//!
//! Every state is a word; colour only repeats it. Text from hosts, labels and people is hostile and goes through `base::sanitise`.

pub mod approval;
pub mod diagram;
pub mod drift;
pub mod end;
pub mod inventory;
pub mod live;
pub mod obligations;
pub mod plan;
pub mod plan_json;
pub mod plan_markdown;
pub mod plan_schema;
pub mod runs;
pub mod status;
pub mod style;
pub mod timeline;

mod describe;
mod fold;
mod member;
mod node;
mod plan_rows;
mod story;
mod table;
mod way_back;

#[cfg(test)]
mod sample;

pub use story::Story;
pub use style::Style;
