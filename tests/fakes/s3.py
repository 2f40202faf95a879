"""An object store that speaks as much of S3 as obstore asks: real HTTP, the objects in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from tests.fakes.loopback import Loopback, SilentHandler


@dataclass
class FakeS3:
    """One bucket; start it with `with FakeS3("models") as s3:`. Any `status` but 200 is the answer to everything."""

    bucket: str
    status: int = 200
    objects: dict[str, bytes] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._server = Loopback(type("Handler", (_Handler,), {"fake": self}))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def environment(self) -> dict[str, str]:
        """What leads to it."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{self._server.address}",
            "AWS_ALLOW_HTTP": "true",
        }

    def list(self, prefix: str, delimiter: str) -> str:
        """The XML of what lies under a prefix, up to the delimiter."""
        ends = {key: key.find(delimiter, len(prefix)) if delimiter else -1 for key in self.objects}
        found = sorted(key for key in self.objects if key.startswith(prefix))
        folders = sorted({key[: ends[key] + 1] for key in found if ends[key] >= 0})
        contents = [
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>e</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in found
            if ends[key] < 0
        ]
        prefixes = [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders]
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents + prefixes)}</ListBucketResult>"


class _Handler(SilentHandler):
    fake: FakeS3
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802 - named by the library
        key, query = self._understand()
        if key is None:
            return
        if not key:
            prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
            self._answer(200, self.fake.list(prefix, delimiter).encode())
        elif key in self.fake.objects:
            self._answer(200, self.fake.objects[key])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:  # noqa: N802 - named by the library
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key, _ = self._understand()
        if key is not None:
            self.fake.objects[key] = body
            self._answer(200, b"")

    def do_POST(self) -> None:  # noqa: N802 - named by the library
        """Remove many at once, which is how obstore removes one."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        key, query = self._understand()
        if key == "" and "delete" in query:
            gone = [unescape(name) for name in re.findall("<Key>(.*?)</Key>", body)]
            for name in gone:
                self.fake.objects.pop(name, None)
            told = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in gone)
            self._answer(200, f"<DeleteResult>{told}</DeleteResult>".encode())

    def _understand(self) -> tuple[str | None, dict[str, list[str]]]:
        """The key, empty: the bucket; None: it is answered already."""
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        signed = self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=key/")
        status = self.fake.status if self.fake.status != 200 else 403 if not signed else 404
        if status != 404 or bucket != self.fake.bucket:
            self._answer(status, b"<Error><Code>Refused</Code></Error>")
            return None, {}
        return key, parse_qs(parts.query, keep_blank_values=True)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", "e")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
