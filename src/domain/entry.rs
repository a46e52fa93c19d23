//! The entry (RFC 4287's word for what RSS calls an item), as its publisher wrote it.

use serde::{Deserialize, Serialize};

use super::time::Moment;

/// One entry of a feed document. Text is what the publisher wrote, decoded; markup is not sanitised yet: it is cleaned when an event
/// is rendered, so that nothing is cleaned that is never sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The publisher's identifier (`guid`, `atom:id`, `rdf:about`, JSON Feed `id`), trimmed; `None` when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Absolute URL of the article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Plain text: markup removed, character references resolved, white space folded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// In document order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Person>,
    /// When it was published, if that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Moment>,
    /// The date as written, when `published` could not be read from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_raw: Option<String>,
    /// When the publisher says it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Moment>,
    /// BCP 47 tag of the entry, else of the feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Terms, in document order, without repeats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// The short form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Markup>,
    /// The long form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Markup>,
    /// Absolute URL of a picture that stands for the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Attached media, in document order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enclosures: Vec<Enclosure>,
    /// What relative links inside the markup are relative to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

/// Text with or without markup. Never trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Markup {
    /// An HTML fragment.
    Html(String),
    /// Plain text.
    Text(String),
}

impl Markup {
    /// The characters as they stand, tags included.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Html(s) | Self::Text(s) => s,
        }
    }
}

impl Entry {
    /// Bytes of its markup, which is most of it.
    #[must_use]
    pub fn size(&self) -> usize {
        [&self.summary, &self.content].into_iter().flatten().map(|markup| markup.source().len()).sum()
    }
}

/// An author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// As written, without the e-mail address.
    pub name: String,
}

/// A media file attached to an entry (RSS `enclosure`, Atom `link rel=enclosure`, JSON Feed attachment).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclosure {
    /// Absolute URL.
    pub url: String,
    /// Media type as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Length in bytes as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}
