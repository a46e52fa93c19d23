"""What consumers in Python do with a delivery: the official verifier, the CloudEvents SDK, and ed25519 of the cryptography package."""

import base64
import json
import sys

from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

with open(sys.argv[1], encoding="utf-8") as file:
    seen = json.load(file)
keys = seen["keys"]
for delivery in seen["deliveries"]:
    delivery["body"] = base64.b64decode(delivery["body"])


def of(*sinks):
    found = [d for d in seen["deliveries"] if d["sink"] in sinks]
    assert len(found) >= 2 * seen["titles"] * len(sinks), f"{len(found)} deliveries of {sinks}"
    return found


def refuses(key, headers, body):
    try:
        Webhook(key).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def d16_d17_every_attempt_verifies_and_nothing_else_does():
    for d in of("rotation", "cloudevents", "both"):
        event = Webhook(keys["current"]).verify(d["body"], d["headers"])
        assert event["id"] == d["headers"]["webhook-id"]
        assert refuses(keys["current"], d["headers"], d["body"] + b" ")
        assert refuses(keys["current"], d["headers"] | {"webhook-id": "evt_x"}, d["body"])
        assert refuses("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", d["headers"], d["body"])


def d18_each_key_of_a_rotation_verifies():
    for d in of("rotation"):
        assert len(d["headers"]["webhook-signature"].split(" ")) == 2
        for key in ("current", "old"):
            Webhook(keys[key]).verify(d["body"], d["headers"])


def d19_ed25519_verifies_with_the_public_key():
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys["public"].removeprefix("whpk_")))
    for d in of("both", "v1a"):
        signatures = dict(s.split(",", 1) for s in d["headers"]["webhook-signature"].split(" "))
        signature = base64.b64decode(signatures["v1a"])
        signed = f"{d['headers']['webhook-id']}.{d['headers']['webhook-timestamp']}.".encode() + d["body"]
        public.verify(signature, signed)
        try:
            public.verify(signature, signed + b" ")
        except InvalidSignature:
            continue
        raise AssertionError("a changed body verifies")


def d21_the_event_is_a_cloudevent():
    for d in of("cloudevents", "rotation"):
        if d["sink"] == "cloudevents":
            event = http.from_http_event(http.HTTPMessage(headers=d["headers"], body=d["body"]))
        else:
            event = JSONFormat().read(None, d["body"])
        written = json.loads(d["body"])
        assert event.get_specversion() == "1.0" and event.get_type() == "entry.created"
        assert event.get_id() == d["headers"]["webhook-id"]
        assert event.get_source() == "urn:feedwire:main:feed:news" and event.get_time().tzinfo is not None
        assert event.get_extension("partitionkey") == "news" and len(event.get_extension("sequence")) == 20
        assert event.get_data() == written["data"]


tests = [(name, test) for name, test in list(globals().items()) if name.startswith("d") and name[1].isdigit()]
for name, test in tests:
    test()
    print(f"python {name} ... ok")
