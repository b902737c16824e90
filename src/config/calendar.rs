//! Times in which nothing is applied.

use super::keys;
use super::read::Merge;
use crate::base::clock::{Timestamp, parse_time};
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned};
use crate::yaml::Node;
use crate::yaml::fields::Fields;

/// A time in which nothing is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// People, groups and roles that may apply all the same.
    pub except: Vec<String>,
}

impl Freeze {
    /// Whether that moment lies in it.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// Reads one entry of `freeze`; also the names of its exceptions, with their places.
pub(super) fn freeze(node: &Node, merge: &mut Merge<'_>, d: &mut Diagnostics) -> Vec<Spanned<String>> {
    let fields = Fields::of(node, &keys::FREEZE.names(), "an entry of `freeze`", d);
    let (from, until) = (time(&fields, "from", d), time(&fields, "until", d));
    let reason = fields.required_text("reason", d);
    let except = fields.texts("except", d).unwrap_or_default();
    let (Some(from), Some(until), Some(reason)) = (from, until, reason) else {
        return except;
    };
    if until.value <= from.value {
        let message = format!("the freeze ends at {} and begins at {}", until.value, from.value);
        d.push(
            Diagnostic::error("RB0605", until.span, message)
                .label("not after its beginning")
                .also(from.span, "its beginning"),
        );
        return except;
    }
    let freeze = Freeze {
        from: from.value,
        until: until.value,
        reason: reason.value,
        except: except.iter().map(|e| e.value.clone()).collect(),
    };
    let shown = format!("{} to {}: {}", freeze.from, freeze.until, freeze.reason);
    merge.freeze(Spanned::new(freeze, from.span), shown);
    except
}

fn time(fields: &Fields<'_>, key: &str, d: &mut Diagnostics) -> Option<Spanned<Timestamp>> {
    let written = fields.required_text(key, d)?;
    match parse_time(&written.value) {
        Ok(time) => Some(Spanned::new(time, written.span)),
        Err(why) => {
            d.push(Diagnostic::error("RB0023", written.span, format!("`{key}`: {why}")));
            None
        }
    }
}
