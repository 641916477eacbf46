"""Small services: real HTTP programs of a few lines, on free ports."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

from tasks.services.service import ReadinessProbe, Service

SERVER = """
import http.server, os, sys, threading, time
port, folder, manner = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(f"{folder}/{port}.pid", "w") as file:
    file.write(str(os.getpid()))
print("listens on", port, flush=True)
if manner == "fails":
    print("the disk is on fire", flush=True)
    sys.exit(4)

STATE = {
    "poor": b'{"database": "it is full; free some space"}',
    "shut": b'{"database": "unavailable"}',
    "odd": b"[]",
}.get(manner, b'{"database": "ok"}')

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if manner == "mute":
            time.sleep(600)
        status = {"/": 200, "/health": 200, "/state": 503}.get(self.path, 404)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(STATE if self.path == "/state" else b"works")
        if self.path == "/end":
            os._exit(5)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"you said " + body)
    def log_message(self, *words):
        pass

if manner == "parent":  # the child prints a line when it runs, and ignores SIGTERM
    import signal, subprocess
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    with open(f"{folder}/{port}.child", "w") as file:
        file.write(str(child.pid))
if manner == "slow":
    time.sleep(0.5)
if manner != "silent":
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
time.sleep(600)
"""


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def service(folder: Path, name: str, manner: str = "slow", **settings: Any) -> Service:
    """A small service, which writes its process id to `PORT.pid` in the folder."""
    program = folder / "server.py"
    program.write_text(SERVER)
    port = settings.pop("port", None) or free_port()
    ready = ReadinessProbe(f"http://127.0.0.1:{port}/health")
    given: dict[str, Any] = {
        "env": dict(os.environ),
        "ready": ready,
        "port": port,
        "option": f"--{name}-port",
        **settings,
    }
    command = (sys.executable, str(program), str(port), str(folder), manner)
    return Service(name, f"{name} server", command, **given | settings)


def process(folder: Path, of: Service) -> int:
    """The process id of a service that has started."""
    return int((folder / f"{of.port}.pid").read_text())
