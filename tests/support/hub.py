"""A loopback server that answers as the Hugging Face hub does, for one dataset."""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from support.loopback import Answer, File, Loopback, redirect

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def serve_json(content: Any, **headers: object) -> Answer:
    body = json.dumps(content).encode()

    def answer(request: Any) -> None:
        request.head(200, Content_Length=len(body), Content_Type="application/json", **headers)
        request.wfile.write(body)

    return answer


def listed(path: str, content: bytes, *, lfs: bool = True) -> dict[str, Any]:
    """A file as the hub lists it; what is not in LFS has the hash of git's blob."""
    blob = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
    entry = {"type": "file", "path": path, "size": len(content), "oid": blob}
    pointer = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return {**entry, "lfs": pointer} if lfs else entry


def serve_dataset(
    server: Loopback, repo: str, files: dict[str, bytes], *, folder: str = "data", per_page: int = 2, **info: object
) -> dict[str, File]:
    """Lists and serves the files at COMMIT, from another host as the hub does; the served files by their paths."""
    server.answers[f"/api/datasets/{repo}/revision/main"] = serve_json({"id": repo, "sha": COMMIT, **info})
    tree = f"/api/datasets/{repo}/tree/{COMMIT}/{folder}".rstrip("/")
    entries: list[dict[str, Any]] = [{"type": "directory", "path": folder, "size": 0, "oid": "a" * 40}]
    entries += [listed(path, content) for path, content in files.items()]
    pages = [entries[start : start + per_page] for start in range(0, len(entries), per_page)]
    for number, page in enumerate(pages):
        following = f'<{server.url}{tree}?cursor={number + 1}>; rel="next"'
        last = number == len(pages) - 1
        place = f"{tree}?cursor={number}" if number else tree
        server.answers[place] = serve_json(page, **({} if last else {"Link": following}))
    served = {path: File(content) for path, content in files.items()}
    for path, file in served.items():
        stored = f"/stored/{quote(path)}"
        server.answers[f"/datasets/{repo}/resolve/{COMMIT}/{quote(path)}"] = redirect(f"{server.other_url}{stored}")
        server.answers[stored] = file
    return served
