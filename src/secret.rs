//! A string that no log, error or `Debug` prints.

use std::fmt;

/// A secret. Its value is had by [`Secret::expose`] alone, so that every use can be found by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value. Only for the header or the MAC that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The value of a configured header: written in the file, or secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// As written in the file.
    Plain(String),
    /// From a credential, a file or the environment.
    Secret(Secret),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("whsec_abc".into())), "Secret(…)");
    }
}
