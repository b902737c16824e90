//! The list of codes; each has a page. The pages stand in `codes/`, one list per area so that an area grows by itself.

/// A code and its page (Markdown): what it means, a wrong example, a right one.
pub type Page = (&'static str, &'static str);

#[path = "codes/config.rs"]
mod config;
#[path = "codes/expression.rs"]
mod expression;
#[path = "codes/inventory.rs"]
mod inventory;
#[path = "codes/obligation.rs"]
mod obligation;
#[path = "codes/plan.rs"]
mod plan;
#[path = "codes/structure.rs"]
mod structure;
#[path = "codes/test.rs"]
mod test;
#[path = "codes/text.rs"]
mod text;
#[path = "codes/yaml.rs"]
mod yaml;

/// All pages: RB00 YAML, RB01 structure and names, RB02 expressions and types, RB03 texts, RB04 obligations and classes,
/// RB05 inventories and patterns, RB06 configuration, RB07 plans, RB08 tests of runbooks.
#[must_use]
pub fn pages() -> Vec<Page> {
    let areas = [
        yaml::PAGES,
        structure::PAGES,
        expression::PAGES,
        text::PAGES,
        obligation::PAGES,
        inventory::PAGES,
        config::PAGES,
        plan::PAGES,
        test::PAGES,
    ];
    areas.concat()
}

/// The page of a code.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    pages()
        .into_iter()
        .find(|(c, _)| c.eq_ignore_ascii_case(code))
        .map(|(_, text)| text)
}

/// The further files of a page's examples: blocks that carry a file's name.
#[cfg(test)]
pub(crate) fn further_files(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```").skip(1).step_by(2);
    let named = blocks.filter_map(|b| b.split_once('\n'));
    named.filter(|(name, _)| name.ends_with(".yaml")).collect()
}
