//! What counts as the same text: words without markup, case, apostrophe style, invisible characters and page furniture. For matching only:
//! emitted text is never touched by anything in here.

use super::entry::{Entry, Markup};
use super::markup::{self, Piece};
use super::words::{SEED, Word, Words, chained, mixed};

/// A body of fewer words says too little to be recognised by them alone.
pub const TELLING: u32 = 48;

/// Counters of [`Spread`], two to a byte.
const COUNTERS: u64 = 32;

/// What is compared of two readings of one entry, to tell an edit from a touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gist {
    /// Over all words of title and body in order. Equal hashes, equal words (64 bits; compared within one feed only).
    pub words: u64,
    /// Over the words of the title.
    pub title: u32,
    /// Over the numbers in title and body, in whatever order.
    pub numbers: u32,
    /// How many words the body has; saturates.
    pub length: u16,
    /// How the words are spread.
    pub spread: Spread,
}

/// How often words of each of 32 classes occur, modulo 16: the distance of two of them estimates how many words differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread(pub [u8; 16]);

/// A small sample of an entry's words, by which two texts are found similar or not (bottom-k sketches; Broder, "On the resemblance and
/// containment of documents", 1997). Zero is an empty place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Of the title's words of three letters and more.
    pub title: [u16; 4],
    /// Of the pairs of neighbouring words in the body.
    pub body: [u16; 8],
}

/// All that is worked out of an entry's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// For telling an edit from a touch.
    pub gist: Gist,
    /// For telling similar from different.
    pub sketch: Sketch,
    /// Over the words of the title in order.
    pub title: u64,
    /// Over the words of the body in order.
    pub body: u64,
}

/// How much of a text has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No word.
    None,
    /// A few words, none of them a number or in the title.
    Minor,
    /// The title, a number, or many words.
    Major,
}

impl Gist {
    /// How much has changed since `earlier`. Major: the title, a number, or 2 % of the words and at least 8 of them.
    #[must_use]
    pub fn change(&self, earlier: &Self) -> Change {
        if self.words == earlier.words {
            return Change::None;
        }
        let differ = self.spread.distance(&earlier.spread).max(u32::from(self.length.abs_diff(earlier.length)));
        let many = (u32::from(self.length.max(earlier.length)) / 50).max(8);
        if self.title != earlier.title || self.numbers != earlier.numbers || differ >= many { Change::Major } else { Change::Minor }
    }
}

impl Spread {
    /// About how many words were exchanged. A word that went and one that came make a distance of two, less where they met others in
    /// their class.
    fn distance(&self, other: &Self) -> u32 {
        let circle = |a: u8, b: u8| u32::from((a.wrapping_sub(b) & 15).min(b.wrapping_sub(a) & 15));
        let both = self.0.iter().zip(other.0);
        let sum: u32 = both.map(|(a, b)| circle(*a, b) + circle(a >> 4, b >> 4)).sum();
        sum * 5 / 8
    }
}

impl Sketch {
    /// Whether the two cannot be one text: hardly a word of the title and hardly a pair of words in common. Where nothing is known of a
    /// part, the other decides; where nothing is known at all, nothing is said.
    #[must_use]
    pub fn is_unlike(&self, other: &Self) -> bool {
        let (title, body) = (shared(&self.title, &other.title), shared(&self.body, &other.body));
        (title.is_some() || body.is_some()) && title.is_none_or(|share| share < 0.3) && body.is_none_or(|share| share < 0.2)
    }

    /// Whether the bodies cannot be one text.
    #[must_use]
    pub fn has_other_body(&self, other: &Self) -> bool {
        shared(&self.body, &other.body).is_some_and(|share| share < 0.2)
    }

    /// Whether at least half of the shorter body, or of the title where there is no body, is in both.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        shared(&self.body, &other.body).or_else(|| shared(&self.title, &other.title)).is_some_and(|share| share >= 0.5)
    }
}

/// The share of the smaller sample that is in the other too; `None` when one of them is empty.
fn shared(a: &[u16], b: &[u16]) -> Option<f32> {
    let count = |sample: &[u16]| sample.iter().filter(|v| **v != 0).count();
    let smaller = count(a).min(count(b));
    let common = a.iter().filter(|v| **v != 0 && b.contains(v)).count();
    (smaller > 0).then(|| common as f32 / smaller as f32)
}

/// Reads the words of title, summary and content.
#[must_use]
pub fn read(entry: &Entry) -> Reading {
    Reader::default().read(entry)
}

/// Reads one entry after another into the same memory.
#[derive(Debug, Default)]
pub struct Reader(Words);

impl Reader {
    /// See [`read`].
    #[must_use]
    pub fn read(&mut self, entry: &Entry) -> Reading {
        let words = &mut self.0;
        words.feed(entry.title.as_deref().unwrap_or_default());
        words.end_word();
        let (mut title, mut numbers, mut sample) = (0u64, 0u32, Lowest::<4>::default());
        for word in words.block.drain(..) {
            title = chained(title, word.hash);
            numbers = numbers.wrapping_add(word.number());
            if word.length >= 3 {
                sample.add(word.hash);
            }
        }
        let body = Body::of(entry, words, true);
        // A body that is all links and labels is what it is.
        let body = if body.count == 0 { Body::of(entry, words, false) } else { body };
        let gist = Gist {
            words: chained(body.chain, title),
            title: (title >> 32) as u32,
            numbers: numbers.wrapping_add(body.numbers),
            length: u16::try_from(body.count).unwrap_or(u16::MAX),
            spread: body.spread,
        };
        Reading { gist, sketch: Sketch { title: sample.sample(), body: body.sample.sample() }, title, body: body.chain }
    }
}

/// Title, summary and content, a line each, for text filters: without tags, character references resolved, white space folded.
#[must_use]
pub fn searchable(entry: &Entry) -> String {
    let mut lines = vec![entry.title.clone().unwrap_or_default()];
    for part in [&entry.summary, &entry.content].into_iter().flatten() {
        let mut plain = String::new();
        match part {
            Markup::Text(s) => plain.push_str(s),
            Markup::Html(s) => markup::plain(s, &mut plain),
        }
        lines.push(plain);
    }
    let folded = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.into_iter().map(folded).collect::<Vec<_>>().join("\n")
}

/// What is counted of summary and content.
#[derive(Debug, Default)]
struct Body {
    chain: u64,
    count: u32,
    numbers: u32,
    spread: Spread,
    sample: Lowest<8>,
    previous: u64,
}

impl Body {
    /// Reads summary and content; without their furniture if so asked.
    fn of(entry: &Entry, words: &mut Words, without_furniture: bool) -> Self {
        let mut body = Self::default();
        words.begin();
        for part in [&entry.summary, &entry.content] {
            match part {
                Some(Markup::Text(text)) => {
                    for line in text.lines() {
                        words.feed(line);
                        body.end_block(words, without_furniture);
                    }
                }
                Some(Markup::Html(html)) => body.html(html, words, without_furniture),
                None => {}
            }
            body.end_block(words, without_furniture);
            body.chain = chained(body.chain, SEED);
        }
        body
    }

    fn html(&mut self, html: &str, words: &mut Words, without_furniture: bool) {
        for piece in markup::pieces(html) {
            match piece {
                Piece::Text(text) => words.feed(text),
                Piece::Character(c) => words.feed(c.encode_utf8(&mut [0; 4])),
                Piece::Tag { name, end } if name.eq_ignore_ascii_case("a") => {
                    words.end_word();
                    words.in_link = !end;
                }
                // Markup of letters does not divide words.
                Piece::Tag { name, .. } if INLINE.iter().any(|inline| inline.eq_ignore_ascii_case(name)) => {}
                Piece::Tag { .. } => self.end_block(words, without_furniture),
            }
        }
    }

    fn end_block(&mut self, words: &mut Words, without_furniture: bool) {
        words.end_word();
        if !(words.block.is_empty() || (without_furniture && words.is_furniture())) {
            words.block.iter().for_each(|word| self.add(word));
        }
        words.block.clear();
        words.linked = 0;
    }

    fn add(&mut self, word: &Word) {
        self.chain = chained(self.chain, word.hash);
        self.numbers = self.numbers.wrapping_add(word.number());
        self.spread.add(word.hash);
        if self.count > 0 {
            self.sample.add(mixed(chained(self.previous, word.hash)));
        }
        self.previous = word.hash;
        self.count = self.count.saturating_add(1);
    }
}

/// Elements that mark up letters and words.
const INLINE: [&str; 16] = ["b", "i", "em", "strong", "span", "u", "s", "small", "mark", "font", "abbr", "code", "sup", "sub", "tt", "ins"];

impl Spread {
    fn add(&mut self, hash: u64) {
        let class = (hash % COUNTERS) as usize;
        if let Some(pair) = self.0.get_mut(class / 2) {
            let (low, high) = (*pair & 15, *pair >> 4);
            *pair = if class.is_multiple_of(2) { (high << 4) | ((low + 1) & 15) } else { (((high + 1) & 15) << 4) | low };
        }
    }
}

/// The `K` lowest of many hashes, each once.
#[derive(Debug)]
struct Lowest<const K: usize>([u64; K]);

impl<const K: usize> Default for Lowest<K> {
    fn default() -> Self {
        Self([u64::MAX; K])
    }
}

impl<const K: usize> Lowest<K> {
    fn add(&mut self, hash: u64) {
        if self.0.last().is_none_or(|highest| hash >= *highest) || self.0.contains(&hash) {
            return;
        }
        let at = self.0.partition_point(|lower| *lower < hash);
        if let Some(tail) = self.0.get_mut(at..) {
            tail.rotate_right(1);
            tail.iter_mut().take(1).for_each(|first| *first = hash);
        }
    }

    fn sample(&self) -> [u16; K] {
        self.0.map(|hash| if hash == u64::MAX { 0 } else { (hash as u16).max(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(title: &str, body: &str) -> Entry {
        Entry { title: Some(title.into()), content: Some(Markup::Html(body.into())), ..Entry::default() }
    }

    fn gist(title: &str, body: &str) -> Gist {
        read(&html(title, body)).gist
    }

    #[test]
    fn what_is_the_same_text() {
        let base = gist("Об’єкт", "<p>Є і ї ґ та п’ять</p>");
        let same = [
            gist("Об'єкт", "<p>Є і ї ґ та п&#8217;ять</p>"),
            gist("ОБʼЄКТ", "<div class=\"x\">Є&nbsp;і ї ґ<br/> та п`ять</div><!-- Переглядів: 3 -->"),
            gist("Об\u{ad}’єкт", "Є і <b>ї</b> ґ та п<i>&rsquo;я</i>ть"),
            gist(
                "Об’єкт",
                "<p>Є і ї ґ та п’ять</p><p>Переглядів: 117</p><div>Оновлено: 12:45</div><ul><li><a href='x'>Інші новини</a></li></ul>",
            ),
        ];
        for other in same {
            assert_eq!(other.change(&base), Change::None, "{other:?}");
        }
        let other = [
            gist("Об’єкт", "<p>Е і ї ґ та п’ять</p>"),
            gist("Об’єкт", "<p>Є і і ґ та п’ять</p>"),
            gist("Об’єкт", "<p>ї Є і ґ та п’ять</p>"),
        ];
        for other in other {
            assert_eq!(other.change(&base), Change::Minor, "{other:?}");
        }
        let other =
            [gist("Об’єкти", "<p>Є і ї ґ та п’ять</p>"), gist("Об’єкт", "<p>Є і ї ґ та 5</p>"), gist("Об’єкт Є", "<p>і ї ґ та п’ять</p>")];
        for other in other {
            assert_eq!(other.change(&base), Change::Major, "{other:?}");
        }
    }

    /// A text of so many words, of which the ones `from` to `to` are others.
    fn long(words: usize, from: usize, to: usize) -> String {
        (0..words)
            .map(|n| {
                format!(
                    "слово{} ",
                    if (from..to).contains(&n) { "інше" } else { "" }.to_owned()
                        + &"абвгдежз".chars().cycle().skip(n * 7 % 8).take(n % 11 + 1).collect::<String>()
                        + &"ийклмн".chars().cycle().skip(n % 6).take(n / 13 % 9).collect::<String>()
                )
            })
            .collect()
    }

    #[test]
    fn many_words_make_a_change_major() {
        let base = gist("t", &long(300, 0, 0));
        assert_eq!(gist("t", &long(300, 100, 102)).change(&base), Change::Minor);
        assert_eq!(gist("t", &long(300, 100, 130)).change(&base), Change::Major);
        assert_eq!(gist("t", &(long(300, 0, 0) + &long(20, 0, 20))).change(&base), Change::Major, "a paragraph was added");
        assert_eq!(gist("t", &long(250, 0, 0)).change(&base), Change::Major, "a paragraph was cut");
    }

    #[test]
    fn a_body_of_links_is_what_it_is() {
        let (a, b) = (gist("t", "<a href='x'>один два</a>"), gist("t", "<a href='x'>один три</a>"));
        assert_ne!(a.words, b.words);
    }

    #[test]
    fn what_is_similar() {
        let sketch = |title: &str, body: &str| read(&html(title, body)).sketch;
        let one = sketch("Умєров розповів про співпрацю Росії", &long(60, 0, 0));
        let edited = sketch("Умєров: про співпрацю Росії та КНДР", &long(60, 10, 20));
        let other = sketch("Долар подешевшав на дві копійки", &long(60, 0, 60));
        assert!(one.is_like(&edited) && !one.is_unlike(&edited));
        assert!(!one.is_like(&other) && one.is_unlike(&other));
        let (empty, titled) = (sketch("", ""), sketch("Умєров розповів про співпрацю Росії", ""));
        assert!(!empty.is_unlike(&one) && !empty.is_like(&one));
        assert!(titled.is_like(&one) && !titled.is_unlike(&one));
    }

    #[test]
    fn what_a_filter_sees() {
        let entry = html("A & B", "1 < 2 &amp; <b>bold</b><!-- hidden --> &unknown; &#x44f;");
        assert_eq!(searchable(&entry), "A & B\n1 < 2 & bold &unknown; я");
    }
}
