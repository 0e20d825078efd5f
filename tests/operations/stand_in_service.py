"""Stands in for `python -m infra.cli` in tests of the local stack: answers probes, says what it was given."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

PREFIX = {"ingest": "INGEST", "process": "PROCESSOR", "export": "EXPORTER", "audit": "AUDIT"}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        settings = {name: value for name, value in os.environ.items() if name.startswith("CONVERGIO_")}
        body = json.dumps({"arguments": sys.argv[1:], "settings": settings}).encode()
        self.send_response(200 if self.path in ("/healthz", "/readyz", "/given") else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are not worth a line."""


if __name__ == "__main__" and sys.argv[1] in PREFIX:
    prefix = PREFIX[sys.argv[1]]
    address = os.environ[f"CONVERGIO_{prefix}_HOST"], int(os.environ[f"CONVERGIO_{prefix}_PORT"])
    HTTPServer(address, Answers).serve_forever()
