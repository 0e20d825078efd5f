"""Headers of every page that a service of ours serves."""

from __future__ import annotations

from typing import Final

PAGE_HEADERS: Final = {
    # Everything a page needs comes from its own address; nothing may frame it, and no script stands in its HTML.
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The files keep their names from build to build, so a browser has to ask whether they are still the same.
    "Cache-Control": "no-cache",
}
