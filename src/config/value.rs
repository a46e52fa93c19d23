//! Values that read themselves, so that a bad one is complained about where it stands.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use url::Url;

/// A value with where it stands. [`toml::Spanned`] in a type of our own, which can be told more traits.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(description = ""))]
#[serde(transparent)]
pub(super) struct Spanned<T>(#[cfg_attr(test, schemars(with = "T"))] toml::Spanned<T>);

impl<T> Spanned<T> {
    pub(super) fn span(&self) -> Range<usize> {
        self.0.span()
    }

    pub(super) fn get_ref(&self) -> &T {
        self.0.get_ref()
    }

    pub(super) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// A duration such as `"30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[cfg_attr(test, schemars(extend("pattern" = "^[0-9]", "examples" = ["30s", "5m", "12h", "2d"])))]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let parsed = humantime::parse_duration(&text);
        parsed.map(Self).map_err(|e| D::Error::custom(format!("not a duration such as \"30s\", \"5m\" or \"2d\": {e}")))
    }
}

/// A number of bytes such as `"10MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[cfg_attr(test, schemars(extend("pattern" = r"^\s*[0-9]+\s*(B|[kKMG]B|[KMG]iB)?\s*$", "examples" = ["512KiB", "10MiB"])))]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        size(&text).map(Self).ok_or_else(|| D::Error::custom("not a size such as \"512KiB\" or \"10MiB\""))
    }
}

fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// An absolute http or https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[cfg_attr(test, schemars(extend("format" = "uri", "pattern" = "^https?://")))]
pub(super) struct WebUrl(pub(super) Url);

impl<'de> Deserialize<'de> for WebUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        web_url(&String::deserialize(d)?).map(Self).map_err(D::Error::custom)
    }
}

/// See [`WebUrl`].
pub(super) fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|e| format!("not an absolute URL: {e}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        other => Err(format!("a URL here begins with https:// or http://, not {other}:")),
    }
}

/// A network such as `"127.0.0.0/8"`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[cfg_attr(test, schemars(extend("examples" = ["127.0.0.0/8", "fd00::/8"])))]
pub(super) struct Network(pub(super) IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let one = |_| text.parse::<std::net::IpAddr>().map(IpNet::from);
        let parsed = text.parse().or_else(one);
        parsed.map(Self).map_err(|_| D::Error::custom("not a network such as \"127.0.0.0/8\" or \"fd00::/8\""))
    }
}

/// `"none"`, `"all"` or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "serde_json::Value"))]
#[cfg_attr(test, schemars(extend("default" = "none", "anyOf" = [
    { "description": "Nothing of it, or all.", "enum": ["none", "all"] },
    { "description": "This many of the newest.", "type": "integer", "minimum": 0 },
])))]
pub(super) struct Backlog(pub(super) crate::domain::feed::Backlog);

impl<'de> Deserialize<'de> for Backlog {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Backlog;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", \"all\" or a number of entries")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Backlog, E> {
                match text {
                    "none" => Ok(Backlog(crate::domain::feed::Backlog::None)),
                    "all" => Ok(Backlog(crate::domain::feed::Backlog::All)),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Backlog, E> {
                let number = u32::try_from(number).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))?;
                Ok(Backlog(crate::domain::feed::Backlog::Newest(number)))
            }
        }
        d.deserialize_any(Either)
    }
}

/// What a chat service calls a place: text, or a number, which some write without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[cfg_attr(test, schemars(extend("type" = ["string", "integer"])))]
pub(super) struct Name(pub(super) String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                if text.trim().is_empty() { Err(E::custom("this is empty")) } else { Ok(Name(text.trim().to_owned())) }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }
        }
        d.deserialize_any(Either)
    }
}

/// A template: as written in the file, or `{ file = "PATH" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "lowercase"))]
pub(super) enum Text {
    /// `{ file = "PATH" }`
    File(
        /// The path of the template, relative to this file.
        PathBuf,
    ),
    /// The template itself.
    #[cfg_attr(test, schemars(untagged))]
    Literal(String),
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or { file = \"PATH\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Literal(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                match map.next_key::<String>()?.as_deref() {
                    Some("file") => {}
                    Some(other) => return Err(A::Error::unknown_field(other, &["file"])),
                    None => return Err(A::Error::missing_field("file")),
                }
                let path = map.next_value()?;
                match map.next_key::<String>()? {
                    Some(other) => Err(A::Error::unknown_field(&other, &["file"])),
                    None => Ok(Text::File(path)),
                }
            }
        }
        d.deserialize_any(Either)
    }
}

/// Where a value is: in the file, or, for secrets, elsewhere.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "serde_json::Value", transform = super::schema::secret))]
pub(super) enum Source {
    /// As written in the file.
    Literal(String),
    /// `{ credential = "NAME" }`
    Credential(String),
    /// `{ file = "PATH" }`
    File(PathBuf),
    /// `{ env = "NAME" }`
    Env(String),
}

/// A literal may be a secret in the wrong place.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(…)")
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ credential = \"NAME\" }, { file = \"PATH\" } or { env = \"NAME\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Source, E> {
                Ok(Source::Literal(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
                let key: String = map.next_key()?.ok_or_else(|| A::Error::custom("an empty table where a secret is expected"))?;
                let source = match key.as_str() {
                    "credential" => Source::Credential(map.next_value()?),
                    "file" => Source::File(map.next_value()?),
                    "env" => Source::Env(map.next_value()?),
                    other => return Err(A::Error::unknown_field(other, &["credential", "file", "env"])),
                };
                match map.next_entry::<String, IgnoredAny>()? {
                    Some((other, _)) => Err(A::Error::custom(format!("a secret has one source, not {key} and {other}"))),
                    None => Ok(source),
                }
            }
        }
        d.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("10MiB", Some(10 << 20)), ("512 KiB", Some(512 << 10)), ("1kB", Some(1000)), ("7", Some(7))] {
            assert_eq!(size(text), bytes, "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "10 mib", "99999999999999999999", "18446744073709551615KiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
