"""The page at `/`, to try a model by hand: static, so no name of a model stands in it before its
script writes it as text; it may load and run nothing but itself, and ask this server alone.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

__all__ = ["POLICY", "read_page"]

PAGE = Path(__file__).with_name("page.html")
POLICY = b"content-security-policy"


@cache
def read_page() -> tuple[bytes, bytes]:
    """The page, and the policy that holds the browser to it."""
    text = PAGE.read_text(encoding="utf-8")
    script, style = (hash_of(text, tag) for tag in ("script", "style"))
    rules = (
        *("default-src 'none'", f"script-src {script}", f"style-src {style}", "img-src data:"),
        *("connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
    return text.encode(), "; ".join(rules).encode()


def hash_of(text: str, tag: str) -> str:
    """What a policy calls the one element of a kind."""
    (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
