"""Publishes a feed, has the program deliver it to a consumer in this process, and writes down what came, byte for byte."""

import base64
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

CURRENT, OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE, PUBLIC = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=", "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="

TITLES = ["Є, і, ї та ґ: об’єкти", "Emoji 🗞 and U+2028 \u2028 and &lt;&amp;&quot;", "plain"]
FEED = "<rss version='2.0'><channel><title>Новини</title>%s</channel></rss>" % "".join(
    f"<item><guid>{n}</guid><title>{title}</title><link>https://news.example/{n}</link>"
    f"<category>Політика</category><description>&lt;p&gt;{title} 😀&lt;/p&gt;</description></item>"
    for n, title in enumerate(TITLES)
)
SINKS = {
    "rotation": "secrets = [{ env = 'CURRENT' }, { env = 'OLD' }]",
    "cloudevents": "secrets = [{ env = 'CURRENT' }]\ncontent_type = 'cloudevents'\nidempotency_key = true",
    "both": "secrets = [{ env = 'CURRENT' }, { env = 'PRIVATE' }]\nsignature = 'v1+v1a'",
    "v1a": "secrets = [{ env = 'PRIVATE' }]\nsignature = 'v1a'",
}

deliveries, refused, enough = [], set(), threading.Event()


class Both(http.server.BaseHTTPRequestHandler):
    """The publisher, and the consumer: it refuses each delivery once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, FEED.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        sink, headers = self.path.strip("/"), {name.lower(): value for name, value in self.headers.items()}
        first = (sink, headers["webhook-id"]) not in refused
        refused.add((sink, headers["webhook-id"]))
        deliveries.append({"sink": sink, "headers": headers, "body": base64.b64encode(body).decode()})
        if len(deliveries) >= 2 * len(SINKS) * len(TITLES):
            enough.set()
        self.answer(503 if first else 204, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/rss+xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main(binary, out):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Both)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/feedwire.toml", "w", encoding="utf-8") as config:
            config.write(f"state_dir = '{home}/state'\n[polling]\nallow_private = ['127.0.0.0/8']\n")
            config.write(f"[feeds.news]\nurl = '{url}/feed'\nbacklog = 'all'\n")
            for name, keys in SINKS.items():
                config.write(f"[sinks.{name}.webhook]\nurl = '{url}/{name}'\n{keys}\n")
        environment = os.environ | {"CURRENT": CURRENT, "OLD": OLD, "PRIVATE": PRIVATE, "FEEDWIRE_TEST_RETRY": "100ms"}
        with open(f"{home}/log", "w+", encoding="utf-8") as log:
            daemon = subprocess.Popen([binary, "run", "--config", f"{home}/feedwire.toml"], env=environment, stderr=log)
            came = enough.wait(60)
            daemon.terminate()
            daemon.wait()
            log.seek(0)
            if not came:
                sys.exit(f"{len(deliveries)} deliveries have come, and no more:\n{log.read()}")
    keys = {"current": CURRENT, "old": OLD, "public": PUBLIC}
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"keys": keys, "titles": len(TITLES), "deliveries": deliveries}, file)


main(*sys.argv[1:])
