"""What the tests of downloads share: a file's content, and its download from a loopback server."""

import hashlib
import random
from pathlib import Path

from steadyflow.fetch.download import download
from steadyflow.fetch.remote import Remote
from steadyflow.fetch.web import Web
from support.loopback import Answer, Loopback

CONTENT = random.Random(0).randbytes(300_000)
SECRET = "hf_secretsecretsecret"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetch_file(server: Loopback, path: Path, answer: Answer, content: bytes, web: Web, **expected: object) -> None:
    """Downloads /file, which `answer` serves and which has to be `content`."""
    server.answers["/file"] = answer
    download(Remote(f"{server.url}/file", **{"bytes": len(content), "sha256": sha256(content)} | expected), path, web)
