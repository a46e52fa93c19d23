//! What is said of webhooks and their presets.

use super::*;
use crate::domain::delivery::Batch;
use crate::sink::presets::Preset;
use crate::sink::webhook::Options;

fn hook(keys: &str) -> String {
    format!("{FEED}[sinks.h.webhook]\n{keys}\n")
}

fn meant(keys: &str) -> (Options, Option<crate::sink::Rate>) {
    let env = [("URL", "https://chat.example/t0p-secret"), ("TOKEN", "t0p-secret")];
    let config = load_files(&[("f.toml", &hook(keys))], &env).unwrap_or_else(|e| panic!("{e}"));
    let sink = config.sinks.first().unwrap().clone();
    assert!(!format!("{sink:?}").contains("t0p-secret"));
    let Target::Webhook(options) = sink.target else { panic!("no webhook") };
    (*options, sink.rate)
}

#[test]
fn a_preset_has_its_keys_and_its_rate() {
    let (options, rate) = meant("url = { env = \"URL\" }\npreset = \"telegram\"\nchat_id = -1001\nthread_id = 7");
    assert_eq!(options.url.expose(), "https://chat.example/t0p-secret");
    let telegram = Preset::Telegram { chat_id: "-1001".into(), thread_id: Some("7".into()) };
    assert_eq!((options.preset, rate), (Some(telegram.clone()), Some(telegram.rate())));
    let (options, _) = meant("url = \"https://m.example/\"\npreset = \"matrix\"\nroom = \"!r:m.example\"\nbearer = { env = \"TOKEN\" }");
    assert_eq!(options.preset, Some(Preset::Matrix { room: "!r:m.example".into() }));
    let (options, _) = meant("url = \"https://ntfy.sh/\"\npreset = \"ntfy\"\ntopic = \"news\"");
    assert_eq!(options.preset, Some(Preset::Ntfy { topic: "news".into() }));
    let text = format!("{FEED}[sinks.h]\nrate = {{ per = \"7s\" }}\n[sinks.h.webhook]\nurl = {{ env = \"TOKEN\" }}\npreset = \"slack\"\n");
    let config = load_files(&[("f.toml", &text)], &[("TOKEN", "https://a.example/")]).unwrap();
    assert_eq!(config.sinks.first().unwrap().rate.unwrap().per, Duration::from_secs(7), "the sink's own");
}

#[test]
fn what_is_wrong_with_a_preset_has_its_line_and_caret() {
    complaint(
        &hook("url = \"https://h.example/\"\npreset = \"icq\""),
        "f.toml:5:10: unknown variant `icq`, expected one of `discord`, `slack`, `telegram`, `matrix`, `ntfy`, `mattermost`, `teams`
  |
5 | preset = \"icq\"
  |          ^^^^^",
    );
    complaint(
        &hook("url = \"https://discord.com/api/webhooks/1/t0p\"\npreset = \"discord\"\nchat_id = 1"),
        "f.toml:6:11: chat_id is for preset = \"telegram\"
  |
6 | chat_id = 1
  |           ^

f.toml:4:7: whoever has this URL can write there: it is a secret, and belongs into { credential = \"NAME\" }, { file = \"PATH\" } or { env = \"NAME\" }",
    );
    complaint(
        &hook("url = \"https://m.example/\"\npreset = \"matrix\"\nroom = \"#r:m.example\"\nsecrets = [{ env = \"HOOK\" }]"),
        "f.toml:7:12: a chat service verifies no signature; leave secrets out

f.toml:5:10: this preset needs the access token of its account, such as bearer = { credential = \"matrix\" }
  |
5 | preset = \"matrix\"
  |          ^^^^^^^^

f.toml:6:8: this is no room, the id of a room (not an alias), such as room = \"!abcdef:example.org\"
  |
6 | room = \"#r:m.example\"
  |        ^^^^^^^^^^^^^^",
    );
    complaint(&hook("url = { env = \"TOKEN\" }"), "f.toml:4:7: not an absolute URL: relative URL without a base");
    complaint(
        &hook("url = \"h.example\"\nusername = \"x\""),
        "f.toml:5:12: username is for preset = \"discord\" and preset = \"mattermost\"
  |
5 | username = \"x\"
  |            ^^^

f.toml:4:7: not an absolute URL: relative URL without a base
  |
4 | url = \"h.example\"
  |       ^^^^^^^^^^^",
    );
}

#[test]
fn d45_secrets_come_from_credentials_and_files() {
    let text = format!(
        "{FEED}[sinks.h.webhook]\nurl = \"https://h.example/\"\nsecrets = [{{ credential = \"one\" }}, {{ credential = \"two\" }}, {{ file = \"three\" }}]\n"
    );
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let files =
        [("f.toml", text.as_str()), ("c/one", secret), ("c/secret_two", secret), ("three", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")];
    let config = load_files(&files, &[("CREDENTIALS_DIRECTORY", "DIR/c")]).unwrap();
    let Target::Webhook(hook) = &config.sinks.first().unwrap().target else { panic!("no webhook") };
    let exposed: Vec<_> = hook.secrets.iter().map(Secret::expose).collect();
    assert_eq!(exposed, [secret, secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    assert!(config.warnings.iter().any(|w| w.contains("three can be read by everybody")), "{:?}", config.warnings);
}

#[test]
fn a_signature_has_secrets_of_its_kind() {
    let private = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let said = |signature: &str, secrets: &str| {
        let text = hook(&format!("url = \"https://h.example/\"\nsignature = \"{signature}\"\nsecrets = [{secrets}]"));
        load_files(&[("f.toml", &text)], &[("PRIVATE", private), ("SECRET", secret), ("WORD", "word")]).map(|_| ())
    };
    let (private, secret, word) = ("{ env = \"PRIVATE\" }", "{ env = \"SECRET\" }", "{ env = \"WORD\" }");
    for (signature, secrets) in
        [("v1", secret), ("v1a", private), ("v1+v1a", &format!("{secret}, {private}")), ("github", word), ("none", "")]
    {
        assert_eq!(said(signature, secrets), Ok(()), "{signature}");
    }
    let wrong = [
        ("v1", private, "begins with whsec_"),
        ("v1a", secret, "begins with whsk_"),
        ("v1a", "", "nothing to sign with"),
        ("none", secret, "not to sign"),
        ("github", &format!("{word}, {word}"), "one signature"),
        ("v2", "", "unknown variant `v2`"),
    ];
    for (signature, secrets, complaint) in wrong {
        let error = said(signature, secrets).unwrap_err();
        assert!(error.contains(complaint) && error.contains("f.toml:"), "{error}");
    }
}

#[test]
fn the_form_of_an_event() {
    let (options, _) = meant("url = \"https://h.example/\"\ncontent = \"text\"\ncontent_type = \"cloudevents\"\nidempotency_key = true");
    let expected = (crate::sink::payload::Content::Text, "application/cloudevents+json", true);
    assert_eq!((options.content, options.content_type.as_str(), options.idempotency_key), expected);
    complaint(
        &hook("url = \"https://h.example/\"\ncontent_type = \"text/plain\""),
        "f.toml:5:16: an event is sent as \"json\" (the default) or \"cloudevents\"; other types are for templates
  |
5 | content_type = \"text/plain\"
  |                ^^^^^^^^^^^^",
    );
}

#[test]
fn a_template_is_tried_at_once() {
    let said = |keys: &str, template: &str, events: &str| {
        let text = format!("{FEED}[sinks.h]\nevents = [{events}]\n[sinks.h.webhook]\nurl = \"https://h.example/\"\n{keys}\n");
        let loaded = load_files(&[("f.toml", &text), ("t/m.jinja", template)], &[]);
        loaded.map(|_| String::new()).unwrap_or_else(|e| e.split_once("\n\n").unwrap().1.to_owned())
    };
    let (file, created) = ("template = { file = \"t/m.jinja\" }", "\"entry.created\"");
    assert_eq!(said(file, "{\"t\":{{ event.data.entry.title|tojson }}}", created), "");
    assert_eq!(
        said(file, "{\n  {{ event.data.titel }}\n}", created),
        "t/m.jinja:2:3: the template: undefined value (for entry.created)
  |
2 |   {{ event.data.titel }}
  |   ^^^^^^^^^^^^^^^^^^^^^^"
    );
    let failing = "\"entry.created\", \"feed.failing\"";
    assert!(said(file, "{\"t\":{{ event.data.entry.title|tojson }}}", failing).contains("(for feed.failing)"));
    assert_eq!(
        said("template = '{\"t\": {{ event.id }}}'", "", created),
        "f.toml:7:12: the template: what comes of it is no JSON: expected value at line 1 column 7 (for entry.created)
  |
7 | template = '{\"t\": {{ event.id }}}'
  |            ^^^^^^^^^^^^^^^^^^^^^^^"
    );
    assert!(said("template = '{{ event.id'", "", created).contains("f.toml:7:12: line 1 of the template: syntax error"));
    assert_eq!(said("template = '{{ event.id }}'\ncontent_type = \"text/plain\"", "", created), "");
    assert!(said("template = { file = \"nope\" }", "", created).contains("f.toml:7:12: cannot read the template nope"));
    assert!(said("template = { path = \"nope\" }", "", created).contains("unknown field `path`, expected `file`"));
    assert!(said("template = '{}'\npreset = \"teams\"", "", created).contains("keep one of preset and template"));
}

#[test]
fn a_batch_has_bounds_and_is_of_events() {
    let batch = |more: &str| {
        let (options, _) = meant(&format!("url = \"https://h.example/\"\n{more}"));
        (options.batch, options.content_type)
    };
    let of = |max, seconds| Some(Batch { max, wait: Duration::from_secs(seconds) });
    assert_eq!(batch(""), (None, "application/json".into()));
    assert_eq!(batch("batch = { max = 20 }"), (of(20, 5), "application/json".into()));
    let cloud = batch("batch = { max = 2, wait = \"1m\" }\ncontent_type = \"cloudevents\"");
    assert_eq!(cloud, (of(2, 60), "application/cloudevents-batch+json".into()));
    complaint(
        &hook("url = \"https://h.example/\"\nbatch = { max = 1 }\ntemplate = \"1\""),
        "f.toml:5:9: a batch is 2 to 100 events (max), the first of which waits (wait) up to 10 minutes for others
  |
5 | batch = { max = 1 }
  |         ^^^^^^^^^^^

f.toml:5:9: a batch is an array of events as they are; a preset or a template makes one message of one
  |
5 | batch = { max = 1 }
  |         ^^^^^^^^^^^",
    );
}
