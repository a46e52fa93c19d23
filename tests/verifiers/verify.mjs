// What consumers in JavaScript do with a delivery: the official verifier, the CloudEvents SDK, and ed25519 of Node itself.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , file, packages] = process.argv;
const require = createRequire(packages);
const { Webhook } = require("standardwebhooks");
const { HTTP } = require("cloudevents");

const seen = JSON.parse(readFileSync(file, "utf8"));
for (const delivery of seen.deliveries) delivery.body = Buffer.from(delivery.body, "base64");

function of(...sinks) {
  const found = seen.deliveries.filter((d) => sinks.includes(d.sink));
  assert.ok(found.length >= 2 * seen.titles * sinks.length, `${found.length} deliveries of ${sinks}`);
  return found;
}

function d16_d17_d18_every_attempt_verifies_with_each_key() {
  for (const { sink, headers, body } of of("rotation", "cloudevents", "both")) {
    for (const key of sink === "rotation" ? ["current", "old"] : ["current"]) {
      const webhook = new Webhook(seen.keys[key]);
      assert.equal(webhook.verify(body, headers).id, headers["webhook-id"]);
      assert.throws(() => webhook.verify(Buffer.concat([body, Buffer.from(" ")]), headers));
    }
  }
}

function d19_ed25519_verifies_with_the_public_key() {
  const raw = Buffer.from(seen.keys.public.replace("whpk_", ""), "base64");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  for (const { headers, body } of of("both", "v1a")) {
    const signature = headers["webhook-signature"].split(" ").find((s) => s.startsWith("v1a,")).slice(4);
    const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
    assert.ok(verify(null, signed, key, Buffer.from(signature, "base64")));
    assert.ok(!verify(null, Buffer.concat([signed, Buffer.from(" ")]), key, Buffer.from(signature, "base64")));
  }
}

function d21_the_event_is_a_cloudevent() {
  for (const { headers, body } of of("cloudevents")) {
    const event = HTTP.toEvent({ headers, body: body.toString("utf8") });
    assert.ok(event.validate());
    assert.deepEqual([event.id, event.type, event.partitionkey], [headers["webhook-id"], "entry.created", "news"]);
    assert.deepEqual(event.data, JSON.parse(body).data);
  }
}

for (const test of [
  d16_d17_d18_every_attempt_verifies_with_each_key,
  d19_ed25519_verifies_with_the_public_key,
  d21_the_event_is_a_cloudevent,
]) {
  test();
  console.log(`node ${test.name} ... ok`);
}
