//! A source file as the checker sees it: tokens without comments and strings, the paths it names, and its functions. It knows as much
//! of Rust as that needs; what it does not know it passes over.

/// A word, `::`, or one other character.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

/// A path named in the code: `use` trees are written out, one path a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Counted from 1.
    pub line: usize,
    /// `crate`, `self` and `super` are resolved, so that it begins with `crate` or with a foreign crate or a local name.
    pub path: Vec<String>,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Of its `fn`, counted from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// How long it is, signature and body.
    pub lines: usize,
}

/// What a file consists of.
#[derive(Debug, Default)]
pub struct Source {
    /// Its place in the crate: `["domain", "plan"]`.
    pub module: Vec<String>,
    /// Outside test code.
    pub named: Vec<Named>,
    /// Of test code as well.
    pub functions: Vec<Function>,
    /// `mod name;` outside test code, with the paragraph they stand in: blank lines separate paragraphs.
    pub declared: Vec<(String, usize)>,
    /// `#[cfg(test)] mod name;`: these files are test code.
    pub test_modules: Vec<String>,
    /// Whether it says `async` outside test code: on these lines.
    pub asynchronous: Vec<usize>,
}

impl Source {
    /// Reads a file; `path` is relative to the root of the crate.
    pub fn read(path: &str, text: &str) -> Self {
        let all = tokens(text);
        let functions = functions(&all);
        let (code, test_modules) = without_tests(all);
        let stem = path.trim_start_matches("src/").trim_end_matches(".rs");
        let module: Vec<_> = stem.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).map(str::to_owned).collect();
        let named = named(&code, &module);
        let asynchronous = code.iter().filter(|token| token.text == "async").map(|token| token.line).collect();
        Self { declared: declared(&code, text), module, named, functions, test_modules, asynchronous }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        if is_word(c) {
            at += chars[at..].iter().take_while(|c| is_word(**c)).count();
            let word: String = chars[start..at].iter().collect();
            match chars.get(at) {
                Some('"' | '#') if matches!(word.as_str(), "r" | "br" | "cr") => at = after_raw(&chars, at),
                Some('"') if matches!(word.as_str(), "b" | "c") => {}
                _ => found.push(Token { line, text: word }),
            }
        } else if chars[at..].starts_with(&['/', '/']) {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if chars[at..].starts_with(&['/', '*']) {
            at = after_comment(&chars, at);
        } else if c == '"' {
            at = after_string(&chars, at);
        } else if c == '\'' {
            at = after_quote(&chars, at);
        } else if chars[at..].starts_with(&[':', ':']) {
            found.push(Token { line, text: "::".into() });
            at += 2;
        } else {
            if !c.is_whitespace() {
                found.push(Token { line, text: c.into() });
            }
            at += 1;
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Behind a raw string whose quote or first `#` is at `at`; for a raw identifier, behind its `#`.
fn after_raw(chars: &[char], at: usize) -> usize {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return at + hashes;
    }
    let mut end = vec!['"'];
    end.resize(hashes + 1, '#');
    let body = at + hashes + 1;
    chars[body..].windows(end.len()).position(|w| w == end).map_or(chars.len(), |length| body + length + end.len())
}

/// Behind a block comment; they nest.
fn after_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// Behind a character, or behind the quote of a lifetime.
fn after_quote(chars: &[char], at: usize) -> usize {
    match chars[at + 1..] {
        ['\\', _, ..] => at + 3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 1,
        [_, '\'', ..] => at + 3,
        _ => at + 1,
    }
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn begins(tokens: &[Token], at: usize, pattern: &[&str]) -> bool {
    pattern.iter().enumerate().all(|(i, expected)| text(tokens, at + i) == *expected)
}

/// Behind the bracket that closes the one at `at`.
fn after_block(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// Behind the item at `at`: its `;`, or the block of its body.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    loop {
        match text(tokens, at) {
            "" => return tokens.len(),
            ";" => return at + 1,
            "{" => return after_block(tokens, at),
            "(" | "[" => at = after_block(tokens, at),
            _ => at += 1,
        }
    }
}

/// The tokens without `#[cfg(test)]` items, and the names of the test modules among those that are files.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if begins(&tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            let end = after_item(&tokens, at + 7);
            if end >= 3 && begins(&tokens, end - 3, &["mod", text(&tokens, end - 2), ";"]) {
                modules.push(tokens[end - 2].text.clone());
            }
            at = end;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, modules)
}

fn functions(tokens: &[Token]) -> Vec<Function> {
    let is_function = |at: &usize| text(tokens, *at) == "fn" && text(tokens, at + 1).starts_with(is_word);
    let starts = (0..tokens.len()).filter(is_function);
    starts
        .map(|at| {
            let last = &tokens[after_item(tokens, at) - 1];
            Function { line: tokens[at].line, name: tokens[at + 1].text.clone(), lines: last.line - tokens[at].line + 1 }
        })
        .collect()
}

fn declared(tokens: &[Token], source: &str) -> Vec<(String, usize)> {
    let is_declared = |at: &usize| begins(tokens, *at, &["mod", text(tokens, at + 1), ";"]);
    let paragraph = |line: usize| source.lines().take(line).filter(|line| line.trim().is_empty()).count();
    (0..tokens.len()).filter(is_declared).map(|at| (tokens[at + 1].text.clone(), paragraph(tokens[at].line))).collect()
}

/// Every path of at least two parts, and every `use`.
fn named(tokens: &[Token], module: &[String]) -> Vec<Named> {
    let (mut found, mut at) = (Vec::new(), 0);
    // Inline modules, each with the token behind its block.
    let mut inline: Vec<(String, usize)> = Vec::new();
    while at < tokens.len() {
        inline.retain(|(_, end)| at < *end);
        if begins(tokens, at, &["mod", text(tokens, at + 1), "{"]) {
            inline.push((tokens[at + 1].text.clone(), after_block(tokens, at + 2)));
        }
        let used = text(tokens, at) == "use";
        let start = if used { at + 1 } else { at };
        let is_path = text(tokens, start).starts_with(is_word) && text(tokens, start + 1) == "::" && text(tokens, at) != "::";
        if used || is_path {
            let here: Vec<_> = module.iter().chain(inline.iter().map(|(name, _)| name)).cloned().collect();
            at = tree(tokens, start, &[], &mut |line, path| found.push(Named { line, path: resolve(&here, path) })).max(at + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// Walks a `use` tree or a path; returns the token behind it.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], leaf: &mut impl FnMut(usize, Vec<String>)) -> usize {
    let mut path = prefix.to_vec();
    let line = |at: usize| tokens.get(at.min(tokens.len() - 1)).map_or(0, |token| token.line);
    loop {
        match text(tokens, at) {
            "::" => at += 1,
            "{" => {
                let end = after_block(tokens, at);
                at += 1;
                while at + 1 < end {
                    at = tree(tokens, at, &path, leaf);
                    // An alias or a comma.
                    while at + 1 < end && text(tokens, at) != "," {
                        at += 1;
                    }
                    at += 1;
                }
                return end;
            }
            word if word.starts_with(is_word) || word == "*" => {
                path.push(word.to_owned());
                at += 1;
                let next = text(tokens, at + 1);
                if text(tokens, at) != "::" || !(next.starts_with(is_word) || next == "{" || next == "*") {
                    break;
                }
            }
            _ => break,
        }
    }
    if path.len() > prefix.len() {
        leaf(line(at - 1), path);
    }
    at
}

/// The path as seen from the root of the crate.
fn resolve(here: &[String], path: Vec<String>) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super" || *part == "self").filter(|part| *part == "super").count();
    if !matches!(path.first().map(String::as_str), Some("self" | "super")) {
        return path;
    }
    let rest = path.into_iter().skip_while(|part| part == "self" || part == "super");
    let up = here[..here.len().saturating_sub(supers)].iter().cloned();
    std::iter::once("crate".to_owned()).chain(up).chain(rest).collect()
}

mod tests {
    use super::*;

    fn paths(path: &str, text: &str) -> Vec<String> {
        Source::read(path, text).named.into_iter().map(|named| format!("{} {}", named.line, named.path.join("::"))).collect()
    }

    #[test]
    fn trees_are_written_out_and_relative_paths_resolved() {
        let text = "use crate::{store, domain::{feed::{self, Feed as F}, plan::*}};\nuse super::retry;\nuse toml;\n\
                    fn f() -> std::io::Result<()> { self::g::<u8>(crate::http::get(2)); super::super::x::y() }\n\
                    mod inner {\n    use super::z::Z;\n}\nuse super::z;";
        assert_eq!(
            paths("src/domain/plan.rs", text),
            [
                "1 crate::store",
                "1 crate::domain::feed::self",
                "1 crate::domain::feed::Feed",
                "1 crate::domain::plan::*",
                "2 crate::domain::retry",
                "3 toml",
                "4 std::io::Result",
                "4 crate::domain::plan::g",
                "4 crate::http::get",
                "4 crate::x::y",
                "6 crate::domain::plan::z::Z",
                "8 crate::domain::z",
            ]
        );
        assert_eq!(
            paths("src/store/mod.rs", "use self::key::Key; use super::domain::feed;"),
            ["1 crate::store::key::Key", "1 crate::domain::feed"]
        );
    }

    #[test]
    fn comments_strings_and_tests_are_passed_over() {
        let text = r##"
            // use a::b;
            /* use a::b; /* nested */ use a::b; */
            /// [`a::b`]
            const S: &'static str = "use a::b; \" use a::b"; const R: &str = r#"" a::b"#; const B: &[u8] = b"a::b";
            const C: [char; 3] = ['"', '\'', '\u{41}'];
            #[cfg(test)]
            use a::b;
            #[cfg(test)]
            #[path = "x.rs"]
            mod tests { fn f() { a::b() } }
            #[cfg(test)]
            mod more;
            use c::d;
        "##;
        assert_eq!(paths("src/x.rs", text), ["14 c::d"]);
        assert_eq!(Source::read("src/x.rs", text).test_modules, ["more"]);
    }

    #[test]
    fn functions_are_measured() {
        let text =
            "fn a() {}\ntrait T {\n    fn b();\n    fn c(x: [u8; 3]) -> fn(u8)\n    where\n        u8: Copy,\n    {\n        x\n    }\n}";
        let measured: Vec<_> = Source::read("src/x.rs", text).functions.into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(measured, [("a".into(), 1, 1), ("b".into(), 3, 1), ("c".into(), 4, 6)]);
    }
}
