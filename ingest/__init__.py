"""The write path: HTTP in, acknowledged Kafka messages out.

In the order a request meets them: `server` (draining) → `connection` → `app` → `events_route`: `access` → `limits` →
`body` → `validate` → `identity` → `envelope` → `producer`. Every failure on the way is a `problems.Problem`.
"""

from ingest.app import create_app
from ingest.server import serve
from ingest.settings import GatewaySettings

__all__ = ["GatewaySettings", "create_app", "serve"]
