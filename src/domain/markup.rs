//! HTML taken apart for comparing and searching, never for showing: text, characters and tags, one after the other. It need not be right
//! about every corner of HTML; it is linear and never fails.

use memchr::{memchr, memchr2};

/// A longer name of a character is none.
const LONGEST_NAME: usize = 10;

/// A piece of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Characters as they stand.
    Text(&'a str),
    /// What a reference stands for.
    Character(char),
    /// A tag by its name, without attributes.
    Tag {
        /// As written.
        name: &'a str,
        /// Whether it is an end tag.
        end: bool,
    },
}

/// The pieces of `html`. Comments, scripts and styles are left out.
pub(super) fn pieces(html: &str) -> impl Iterator<Item = Piece<'_>> {
    Pieces { rest: html }
}

/// Title-like text of HTML: a space in place of each tag.
pub(super) fn plain(html: &str, out: &mut String) {
    for piece in pieces(html) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Character(c) => out.push(c),
            Piece::Tag { .. } => out.push(' '),
        }
    }
}

struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let at = memchr2(b'<', b'&', self.rest.as_bytes()).unwrap_or(self.rest.len());
            if at > 0 {
                return Some(self.text(at));
            }
            if self.rest.is_empty() {
                return None;
            }
            if self.rest.starts_with('&') {
                return Some(self.reference());
            }
            match self.tag() {
                Some(Piece::Tag { name, end: false }) if is_silent(name) => self.skip_silent(name),
                Some(tag) => return Some(tag),
                None if self.rest.starts_with('<') => return Some(self.text(1)),
                None => {}
            }
        }
    }
}

impl<'a> Pieces<'a> {
    fn text(&mut self, length: usize) -> Piece<'a> {
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        Piece::Text(text)
    }

    /// The reference at the head of the rest, else its ampersand.
    fn reference(&mut self) -> Piece<'a> {
        let window = self.rest.as_bytes().get(..self.rest.len().min(LONGEST_NAME + 2)).unwrap_or_default();
        let known = memchr(b';', window).and_then(|end| Some((character(self.rest.get(1..end)?)?, end)));
        match known {
            Some((c, end)) => {
                self.rest = self.rest.get(end + 1..).unwrap_or_default();
                Piece::Character(c)
            }
            None => self.text(1),
        }
    }

    /// The tag at the head of the rest. `None` for a comment, which is passed, and for a `<` that begins nothing, which is not.
    fn tag(&mut self) -> Option<Piece<'a>> {
        let inside = self.rest.get(1..)?;
        if inside.starts_with(['!', '?']) {
            let (end, width) = if inside.starts_with("!--") { (self.rest.find("-->"), 3) } else { (self.rest.find('>'), 1) };
            self.rest = self.rest.get(end? + width..).unwrap_or_default();
            return None;
        }
        let end = inside.starts_with('/');
        let name = if end { inside.get(1..)? } else { inside };
        let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let name = name.get(..length).filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))?;
        let close = memchr(b'>', self.rest.as_bytes())?;
        self.rest = self.rest.get(close + 1..).unwrap_or_default();
        Some(Piece::Tag { name, end })
    }

    /// Passes everything up to the end tag of an element that shows nothing.
    fn skip_silent(&mut self, name: &str) {
        while let Some(at) = self.rest.find("</") {
            self.rest = self.rest.get(at + 2..).unwrap_or_default();
            if self.rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
                let close = memchr(b'>', self.rest.as_bytes()).map_or(self.rest.len(), |close| close + 1);
                self.rest = self.rest.get(close..).unwrap_or_default();
                return;
            }
        }
        self.rest = "";
    }
}

fn is_silent(name: &str) -> bool {
    name.eq_ignore_ascii_case("script") || name.eq_ignore_ascii_case("style")
}

/// The character that a name stands for, in the forms that texts have.
fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" | "lsquo" => '’',
        "nbsp" => ' ',
        "shy" => '\u{ad}',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(html: &str) -> String {
        let mut out = String::new();
        plain(html, &mut out);
        out
    }

    #[test]
    fn what_is_text() {
        assert_eq!(read("1 < 2 &amp; <b>bold</b><!-- hidden --> &unknown; &#x44f;"), "1 < 2 &  bold  &unknown; я");
        assert_eq!(read("a<script>if (a < b) { '</p>' }</SCRIPT>b<style>x"), "ab");
        assert_eq!(read("<!DOCTYPE x>a<?php ?>b</>c<"), "ab</>c<");
        assert_eq!(read("<!-- never ended <p>a"), "<!-- never ended  a");
    }

    proptest! {
        #[test]
        fn text_without_markup_stays(text in r"[^<&]{0,40}") {
            prop_assert_eq!(read(&text), text);
        }

        #[test]
        fn nothing_is_a_danger(html in r"([<>/&;#!?-]|script|p|є|x){0,60}") {
            let _: String = read(&html);
        }
    }
}
