//! Actions on packages of Debian and its relatives, and what they have in common: a look at one package, and its fact.
//!
//! All of them share the key `package/NAME`, so that each sees in a plan what another will have done.

pub mod available;
pub mod cache;
pub mod fact;
pub mod install;
pub mod installed;
pub mod transaction;
mod wish;

pub use wish::REFRESH;

use crate::action::declare::required;
use crate::action::outcome::{Exited, exited};
use crate::action::place::Place;
use crate::model::action::{ActionKind, Arguments, BindError, Parameter, ParameterKind, ReadError, ResourceKey};
use crate::model::operation::{Operation, Output};

/// The actions on packages.
pub const ALL: &[&dyn ActionKind] = &[&install::Package, &available::Available, &cache::CleanCache, &installed::Installed];

/// The look at a package.
pub const PROBE: &str = include_str!("probe.sh");

/// `name`, for every one of them.
const NAME: Parameter = required("name", ParameterKind::Text, "The package, by its exact name: no pattern, no task.");

/// A package of a place.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where.
    pub place: Place,
    /// Its name.
    pub name: String,
}

impl Subject {
    /// From parameter `name`.
    ///
    /// # Errors
    /// What apt would read as something else than one package: a pattern, an option, `foo-` for "remove foo".
    pub fn bind(place: Place, arguments: &Arguments) -> Result<Subject, BindError> {
        let name = arguments.text("name").unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "+.:_-".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) || name.ends_with('-') {
            let help = "letters, digits, `+`, `.`, `-`, and `:ARCHITECTURE` where it is not the host's own";
            return Err(BindError::new("name", format!("`{name}` is no name of a package")).help(help));
        }
        Ok(Subject {
            place,
            name: name.to_owned(),
        })
    }

    /// The key of its fact.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        self.place.key(format!("package/{}", self.name))
    }

    /// A look at it; everybody may look. `simulate`: the transaction that a change would be.
    #[must_use]
    pub fn look(&self, simulate: &str, version: &str) -> Operation {
        self.place.clone().as_login().probe_script(PROBE, &[&self.name, simulate, version])
    }

    /// The answer to a look.
    ///
    /// # Errors
    /// No answer, or a host without apt.
    pub fn answer<'o>(&self, output: Option<&'o Output>) -> Result<Exited<'o>, ReadError> {
        let ended = exited(output)?;
        let host = self.place.name();
        if ended.code != 0 {
            return Err(ReadError::new(format!(
                "asking about package {} on {host} {}",
                self.name,
                ended.ending()
            )));
        }
        if !ended.stdout.lines().any(|l| l == "manager=apt") {
            let found = match ended.stdout.lines().find_map(|l| l.strip_prefix("other=")) {
                Some(other) => format!("it has {}, which is not supported", crate::base::sanitise::one_line(other, 20)),
                None => String::from("no package manager that is known here was found either"),
            };
            return Err(ReadError::new(format!(
                "{host} has neither apt-get nor dpkg ({found}); packages are managed on Debian, Ubuntu and their relatives only"
            )));
        }
        Ok(ended)
    }
}

/// A version as it may stand in `NAME=VERSION`.
///
/// # Errors
/// Characters that no version of Debian has.
pub fn version_of(arguments: &Arguments) -> Result<Option<String>, BindError> {
    let Some(version) = arguments.text("version") else {
        return Ok(None);
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".+:~-".contains(c);
    if !version.starts_with(|c: char| c.is_ascii_alphanumeric()) || !version.chars().all(plain) {
        let help = "the whole version as `apt-cache policy` shows it, for example `1.22.1-9+deb12u1`";
        return Err(BindError::new("version", format!("`{version}` is no version of a package")).help(help));
    }
    Ok(Some(version.to_owned()))
}
