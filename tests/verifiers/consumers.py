"""Runs a consumer of the manual, as it is printed there but for its port, before real deliveries and before a forged one."""

import http.client
import http.server
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
FEED = """<rss version="2.0"><channel><title>Новини</title>
<item><guid>1</guid><title>Об’єкти: є, і, ї та ґ</title><link>https://news.example/1</link></item></channel></rss>"""


def printed(language, marker):
    """The block of the manual in a language that a marker stands in."""
    manual = pathlib.Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    return next(block for block in re.findall(rf"^```{language}\n(.*?)^```$", manual, re.M | re.S) if marker in block)


def command(kind, packages, port):
    """How the consumer is started."""
    if kind == "python":
        code = printed("python", "standardwebhooks.Webhook").replace("8000", str(port))
        return [f"{packages}/python/bin/python", "-u", "-c", code]
    if kind == "node":
        file = pathlib.Path(packages, "node", "consumer.mjs")
        file.write_text(printed("js", "new Webhook").replace("8000", str(port)), encoding="utf-8")
        return ["node", str(file)]
    project = pathlib.Path(packages, "rust")
    project.joinpath("src/main.rs").write_text(printed("rust", "standardwebhooks").replace("8000", str(port)), encoding="utf-8")
    subprocess.run(["cargo", "build", "--quiet", "--target-dir", project / "target"], cwd=project, check=True)
    return [project / "target/debug/consumer"]


class Publisher(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "application/rss+xml")
        self.end_headers()
        self.wfile.write(FEED.encode())

    def log_message(self, *_):
        pass


def until(what, condition):
    """Looks again and again, for a minute."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"not within a minute: {what}")
        time.sleep(0.05)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def forged(port):
    """Whether a delivery with a bad signature is taken."""
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/", b'{"id":"evt_1","data":{"entry":{"title":"forged"}}}', headers)
        return connection.getresponse().status < 300
    except (http.client.HTTPException, OSError):
        return False


def main(kind, packages, binary):
    publisher = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    threading.Thread(target=publisher.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        run = command(kind, packages, port)
        config = pathlib.Path(home, "feedwire.toml")
        config.write_text(
            f"state_dir = '{home}/state'\n[polling]\nallow_private = ['127.0.0.0/8']\n"
            f"[feeds.news]\nurl = 'http://127.0.0.1:{publisher.server_port}/feed'\nbacklog = 'all'\n"
            f"[sinks.hook.webhook]\nurl = 'http://127.0.0.1:{port}/'\nsecrets = [{{ env = 'SECRET' }}]\n",
            encoding="utf-8",
        )
        with open(f"{home}/out", "wb") as out, open(f"{home}/log", "wb") as log:
            consumer = subprocess.Popen(run, stdout=out, stderr=log)
            try:
                until(f"the consumer listens on {port}", lambda: listens(port))
                if forged(port):
                    sys.exit("a forged delivery was taken")
                environment = os.environ | {"SECRET": SECRET, "FEEDWIRE_TEST_RETRY": "100ms"}
                daemon = subprocess.Popen([binary, "run", "--config", config], env=environment, stderr=log)
                said = lambda: pathlib.Path(home, "out").read_text(encoding="utf-8")
                try:
                    until("the consumer has printed the entry", lambda: "Об’єкти: є, і, ї та ґ" in said() and "evt_" in said())
                finally:
                    daemon.terminate()
                    daemon.wait()
                if "forged" in said():
                    sys.exit("a forged delivery was printed")
            finally:
                consumer.kill()
    print(f"the consumer in {kind} of the manual verifies what it gets")


main(*sys.argv[1:])
