//! Titles in Latin letters, digits and hyphens: what a name may be made of.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// A title as a name: lower case, words joined by hyphens, at most `longest` bytes. Empty when nothing of it can be written so.
pub(super) fn slug(title: &str, longest: usize) -> String {
    let mut out = String::new();
    for word in transliterated(title).split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let room = longest.saturating_sub(out.len() + usize::from(!out.is_empty()));
        if word.len() > room && !out.is_empty() {
            break;
        }
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(word.get(..word.len().min(room)).unwrap_or_default());
    }
    out
}

/// Cyrillic as the resolution 55 of 2010 has it for Ukrainian, unless letters say that it is Russian; Greek by its usual sounds; other letters
/// without their marks. What has no Latin form is a space.
fn transliterated(title: &str) -> String {
    let lower = title.to_lowercase();
    let russian = lower.contains(['ы', 'э', 'ъ', 'ё']) && !lower.contains(['і', 'ї', 'є', 'ґ', 'ў']);
    let marks = DecomposingNormalizerBorrowed::new_nfkd();
    let mut out = String::with_capacity(lower.len());
    let (mut begins, mut after_z) = (true, false);
    for c in lower.chars() {
        // Apostrophes and soft signs are inside of words.
        if matches!(c, '\'' | '’' | 'ʼ' | '‘' | '`' | 'ь') {
            continue;
        }
        match letter(c, begins, russian) {
            // Not "zh", which is another letter.
            Some("h") if after_z && c == 'г' => out.push_str("gh"),
            Some(latin) => out.push_str(latin),
            None => {
                for part in marks.normalize_iter(std::iter::once(c)).filter(|part| !is_mark(*part)) {
                    match letter(part, begins, russian) {
                        Some(latin) => out.push_str(latin),
                        None => out.push(if part.is_ascii() { part } else { ' ' }),
                    }
                }
            }
        }
        begins = !c.is_alphanumeric() && !is_mark(c);
        after_z = c == 'з';
    }
    out
}

/// Accents that stand by themselves.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

fn letter(c: char, begins: bool, russian: bool) -> Option<&'static str> {
    let first = |at_first: &'static str, later: &'static str| if begins { at_first } else { later };
    Some(match c {
        'г' | 'и' if russian => {
            if c == 'г' {
                "g"
            } else {
                "i"
            }
        }
        'є' => first("ye", "ie"),
        'ї' => first("yi", "i"),
        'й' => first("y", "i"),
        'ю' => first("yu", "iu"),
        'я' => first("ya", "ia"),
        'а' | 'α' | 'ά' => "a",
        'б' => "b",
        'в' | 'β' => "v",
        'г' => "h",
        'ґ' | 'γ' => "g",
        'д' | 'δ' => "d",
        'е' | 'ё' | 'э' | 'ε' | 'έ' => "e",
        'ж' => "zh",
        'з' | 'ζ' => "z",
        'и' | 'ы' | 'υ' | 'ύ' => "y",
        'і' | 'η' | 'ή' | 'ι' | 'ί' | 'ϊ' | 'ı' => "i",
        'к' | 'κ' => "k",
        'л' | 'λ' | 'ł' => "l",
        'м' | 'μ' => "m",
        'н' | 'ν' => "n",
        'о' | 'ο' | 'ό' | 'ω' | 'ώ' | 'ø' => "o",
        'п' | 'π' => "p",
        'р' | 'ρ' => "r",
        'с' | 'σ' | 'ς' => "s",
        'т' | 'τ' => "t",
        'у' => "u",
        'ф' | 'φ' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ъ' => "",
        'ў' => "w",
        'ј' => "j",
        'ђ' | 'đ' | 'ð' => "d",
        'ћ' => "c",
        'љ' => "lj",
        'њ' => "nj",
        'џ' => "dz",
        'ѕ' => "dz",
        'ѓ' => "gj",
        'ќ' => "kj",
        'θ' | 'þ' => "th",
        'ξ' => "x",
        'χ' => "ch",
        'ψ' => "ps",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_as_names() {
        let check = |title: &str, expected: &str| assert_eq!(slug(title, 40), expected, "{title}");
        check("BBC News – World", "bbc-news-world");
        check("Українська правда: Новини", "ukrainska-pravda-novyny");
        check("Єдині новини з Їжакевичем Юрія Яременка", "yedyni-novyny-z-yizhakevychem-yuriia");
        check("Згурський, Ґалаґан, Щербухи, Знам’янка, Мар'яна", "zghurskyi-galagan-shcherbukhy-znamianka");
        check("Медуза: Российские объявления", "meduza-rossiiskie-obiavleniia");
        check("Новые книги Гоголя", "novye-knigi-gogolia");
        check("Наша Ніва й Радыё", "nasha-niva-y-radye");
        check("Café Zürich & Łódź, Straße", "cafe-zurich-lodz-strasse");
        check("Ειδήσεις", "eidiseis");
        check("日本語 news", "news");
        check("日本語", "");
        check("e\u{301}te\u{301}", "ete");
        check("ＦＵＬＬ ﬁ ½", "full-fi-1-2");
        check("<script>alert('x')</script>", "script-alert-x-script");
        check(&"довге ".repeat(20), "dovhe-dovhe-dovhe-dovhe-dovhe-dovhe");
        check(&"x".repeat(99), &"x".repeat(40));
    }
}
