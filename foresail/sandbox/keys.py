"""The key with which ServiceAccount tokens are signed: made here, so that nothing but Python is needed for it.

An EC private key (RFC 5915) is a sequence of a version, a secret number and the curve's name; the public half follows
from them and may be left out.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551  # of P-256; FIPS 186-4, D.1.2.3
VERSION = bytes.fromhex("020101")  # INTEGER 1
CURVE = bytes.fromhex("a00a06082a8648ce3d030107")  # [0] OBJECT IDENTIFIER prime256v1


def make_private_key() -> str:
    """A new P-256 private key in PEM."""
    secret = (1 + secrets.randbelow(ORDER - 1)).to_bytes(32, "big")
    content = VERSION + bytes([0x04, len(secret)]) + secret + CURVE
    text = base64.encodebytes(bytes([0x30, len(content)]) + content).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n"


def write_secret(path: Path, content: str) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(content)
    return path
