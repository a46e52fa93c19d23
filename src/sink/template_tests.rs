//! What a template may say, and what is said of one that is wrong.

use super::*;
use crate::domain::event::EventKind;
use crate::sink::sample;

fn render(text: &str, json: bool) -> Result<String, (String, Option<usize>)> {
    let template = Template::new(text, json).map_err(|e| (e.reason, e.line))?;
    let rendered = template.render(&sample::event(EventKind::Created), Content::All, 65_536);
    rendered.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|e| (e.reason, e.line))
}

#[test]
fn the_event_is_there_and_nothing_is_escaped_unasked() {
    let text = "{{ event.data.entry.title }} <{{ event.data.entry.url }}> {{ event.data.feed.tags | join(', ') }}";
    assert_eq!(render(text, false).unwrap(), "Title <of> \"an\" & entry’s є <https://example.org/entry> sample");
    let json = render("{\"text\": {{ event.data.entry.title | tojson }}}", true).unwrap();
    assert!(json.contains("<of>"), "{json}");
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read, serde_json::json!({ "text": "Title <of> \"an\" & entry’s є" }));
    assert_eq!(render("{% if event.data.flood is defined %}x{% endif %}", false).unwrap(), "");
}

#[test]
fn what_is_wrong_has_its_line() {
    let check = |text: &str, json, words: &str, line| {
        let (reason, at) = render(text, json).unwrap_err();
        assert!(reason.contains(words) && at == line, "{reason} {at:?}");
    };
    check("a\n{{ event.titel }}", false, "undefined", Some(2));
    check("a\n{{ event.titel | tojson }}", false, "undefined", Some(2));
    check("a\n\n{{ event", false, "syntax error", Some(3));
    check("{% include 'x' %}", false, "", Some(1));
    check("{\"text\": \"{{ event.data.entry.title }}\"}", true, "no JSON", None);
}

#[test]
fn a_name_that_is_not_there_is_an_error_wherever_it_stands() {
    let check = |text: &str| assert!(render(text, false).is_err(), "{text}: {:?}", render(text, false));
    for filter in ["upper", "lower", "trim", "replace('a', 'b')", "join(',')", "length"] {
        check(&format!("{{{{ event.titel | {filter} }}}}"));
    }
    check("{{ event.titel ~ 'x' }}");
    check("{{ 'x' ~ event.titel }}");
    check("{{ event.titel.x }}");
    check("{{ event.titel[:9] }}");
    check("{% for x in event.titel %}{% endfor %}");
    check("{% if event.titel %}{% endif %}");
    check("{{ event.titel == 1 }}");
    assert_eq!(render("{{ event.titel | default('–') }}", false).unwrap(), "–");
}

#[test]
fn a_template_comes_to_an_end() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    assert!(render(nested, false).unwrap_err().0.contains("fuel"));
    assert!(render("{% for a in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}", false).unwrap_err().0.contains("bytes"));
}
