//! Short words for declaring parameters.

use crate::model::action::{Parameter, ParameterKind};

/// A parameter that must be given.
#[must_use]
pub const fn required(name: &'static str, kind: ParameterKind, docs: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        required: true,
        docs,
        secret: false,
    }
}

/// A parameter that may be left out; its docs name the default.
#[must_use]
pub const fn optional(name: &'static str, kind: ParameterKind, docs: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        required: false,
        docs,
        secret: false,
    }
}

/// The same parameter, which a secret may reach: the action gives it on as a [`Sensitive`](crate::base::secret::Sensitive) and shows it
/// nowhere.
#[must_use]
pub const fn may_be_secret(parameter: Parameter) -> Parameter {
    Parameter { secret: true, ..parameter }
}
