"""`python -m ingest`: one gateway, set up by `CONVERGIO_*` and the configuration file."""

from __future__ import annotations

from ingest.server import serve
from ingest.settings import GatewaySettings

serve(GatewaySettings())
