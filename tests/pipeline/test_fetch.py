"""`snakemake fetch`: what a study needs from the network, from a server on this machine."""

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from support.hub import COMMIT, serve_dataset
from support.loopback import File, Loopback, loopback, status
from support.workspace import REPOSITORY, SCRIPTS, Workspace, edited, jobs_of

from steadyflow.ground.artifacts import read_json
from steadyflow.ground.constants import VGG16_WEIGHTS

pytestmark = pytest.mark.pipeline

SECRET = "hf_secretsecretsecret"
REPO = "someone/faces"
STUDY = yaml.safe_load("""
name: fetched
downloads: kept_apart
datasets:
  faces: {source: huggingface, repo: someone/faces, resolution: 8, val: data/val-*.parquet}
""")


def shard(seed: int) -> bytes:
    """A Parquet file of some thousand bytes that cannot be compressed."""
    rows = [hashlib.sha256(f"{seed} {row}".encode()).digest() for row in range(2000)]
    file = io.BytesIO()
    pa.parquet.write_table(pa.table({"image": rows}), file)
    return file.getvalue()


SHARDS = {f"data/{name}-00000-of-00001.parquet": shard(seed) for seed, name in enumerate(("train", "val"))}


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as running:
        yield running


@pytest.fixture
def environment(server: Loopback, space: Workspace) -> dict[str, str]:
    return {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": SECRET,
    }


def downloaded(space: Workspace) -> dict[str, bytes]:
    folder = space.directory / "kept_apart" / "datasets" / "faces"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched(space: Workspace, study: Path, environment: dict[str, str]) -> str:
    done = space.snakemake("fetch", study=study, environment=environment)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_dataset_is_fetched_over_a_bad_line(server: Loopback, space: Workspace, environment: dict[str, str]) -> None:
    served = serve_dataset(server, REPO, SHARDS, cardData={"license": "cc-by-4.0"})
    train = served["data/train-00000-of-00001.parquet"]
    train.drops = [20_000, 30_000]
    study = space.write(STUDY)
    printed = fetched(space, study, environment)
    files = downloaded(space)
    listed = read_json(space.directory / "kept_apart" / "datasets" / "faces" / "files.json")
    assert files.keys() == {*SHARDS, "files.json"} and SHARDS.items() <= files.items()
    assert train.sent == len(train.content)
    assert listed["commit"] == COMMIT
    assert [(file["path"], file["split"]) for file in listed["files"]] == list(
        zip(SHARDS, ("train", "val"), strict=True)
    )
    # Progress and a table, on the terminal and in logs; the token in neither.
    logs = {path.name: path.read_text("utf-8") for path in (space.results / "logs" / "downloads").rglob("*.log")}
    assert logs.keys() == {"faces.log", "fetch.log"}
    for text in (printed, logs["faces.log"]):
        assert "trying again in 1 s" in text and "train-00000-of-00001.parquet: 100%" in text
    size = f"{sum(map(len, SHARDS.values())):,}"
    for text in (printed, logs["fetch.log"]):
        assert f"{server.url}/datasets/{REPO}  {size}  cc-by-4.0  " in text
    assert all(SECRET not in text for text in (printed, *logs.values()))
    assert not any(SECRET.encode() in path.read_bytes() for path in space.directory.rglob("*") if path.is_file())
    # All there: nothing is downloaded again.
    asked = len(server.requests)
    assert jobs_of(fetched(space, study, environment)) == {"fetch"} and len(server.requests) == asked
    # Nor when they have moved, and a link leads to them.
    (space.directory / "kept_apart").rename(space.directory / "another disk")
    (space.directory / "kept_apart").symlink_to(space.directory / "another disk")
    assert jobs_of(fetched(space, study, environment)) == {"fetch"} and len(server.requests) == asked


def test_what_a_killed_download_left_is_gone_on_from(
    server: Loopback, space: Workspace, environment: dict[str, str]
) -> None:
    served = serve_dataset(server, REPO, SHARDS)
    path = "data/train-00000-of-00001.parquet"

    def stalls(request: object) -> None:
        File(SHARDS[path], drops=[40_000])(Stalling(request))

    class Stalling:
        """Sends what it is told to, and then nothing, without hanging up."""

        def __init__(self, request: object) -> None:
            self.request = request

        def __getattr__(self, name: str) -> object:
            return getattr(self.request, name)

        def hang_up(self, rudely: bool) -> None:
            self.request.rfile.read(1)

    whole = server.answers[f"/stored/{path}"]
    server.answers[f"/stored/{path}"] = stalls
    study = space.write(STUDY)
    output = space.directory / "kept_apart" / "datasets" / "faces" / "files.json"
    command = [sys.executable, str(SCRIPTS / "download_dataset.py"), "--study", str(study), "--dataset", "faces"]
    command += ["--lock", str(REPOSITORY / "resources" / "datasets.lock"), "--output", str(output)]
    part = output.parent / f"{path}.part"
    with subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as job:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size == 40_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
    assert downloaded(space) == {f"{path}.part": SHARDS[path][:40_000]}
    server.answers[f"/stored/{path}"] = whole
    fetched(space, study, environment)
    assert SHARDS.items() <= downloaded(space).items() and not part.exists()
    assert served[path].sent == len(SHARDS[path]) - 40_000


@pytest.mark.parametrize("fault", ["truncated", "changed", "gated"])
def test_what_cannot_be_had_is_one_error(
    server: Loopback, space: Workspace, environment: dict[str, str], fault: str
) -> None:
    served = serve_dataset(server, REPO, SHARDS)
    path = "data/val-00000-of-00001.parquet"
    if fault == "truncated":
        served[path].content = SHARDS[path][:-100]
    if fault == "changed":
        served[path].content = SHARDS[path][::-1]
    if fault == "gated":
        server.answers[f"/api/datasets/{REPO}/revision/main"] = status(401)
    message = {"truncated": "bytes expected, the server offers", "changed": " expected, found ", "gated": "HF_TOKEN"}
    done = space.snakemake("fetch", study=space.write(STUDY), environment=environment)
    assert done.returncode != 0 and "Traceback" not in done.stdout and SECRET not in done.stdout
    errors = {line for line in done.stdout.splitlines() if line.startswith("error: ")}
    assert len(errors) == 1 and message[fault] in errors.pop(), done.stdout
    assert set(downloaded(space)) == ({"data/train-00000-of-00001.parquet"} if fault != "gated" else set())


def test_a_study_may_need_nothing(space: Workspace) -> None:
    study = space.write({"name": "drawn", "datasets": {"faces": {"source": "synthetic_faces", "count": 10}}})
    assert "This study needs no downloads." in space.run("fetch", study=study)


TOKENIZER = {"multipliers": [1, 2], "width": 8}
WITH_WEIGHTS = {
    "name": "perceptual",
    "datasets": {"faces": {"source": "synthetic_faces", "count": 10}},
    "tokenizers": {"vqvae": TOKENIZER},
}


def test_a_perceptual_term_needs_weights(space: Workspace) -> None:
    study = space.write({**WITH_WEIGHTS, "downloads": "elsewhere"})
    weights = f"elsewhere/weights/{VGG16_WEIGHTS}"
    assert f"download_weights weights={VGG16_WEIGHTS}" in space.planned("fetch", study=study)
    without = space.write(edited(WITH_WEIGHTS, {"tokenizers/vqvae/perceptual": "none"}), "without.yaml")
    assert space.planned("fetch", study=without) == {"fetch"}
    # A file put there by hand is taken for what it is: nothing is to be downloaded, and its content is looked at.
    (space.directory / weights).parent.mkdir(parents=True)
    (space.directory / weights).write_bytes(b"not weights")
    assert space.planned("fetch", study=study) == {"fetch"}
    done = space.snakemake("fetch", study=study)
    assert done.returncode != 0
    assert f"error: {weights}: 553433881 bytes expected, found 11; delete it and run `snakemake fetch`" in done.stdout


@pytest.mark.parametrize("perceptual", [True, False])
def test_weights_are_inputs_of_the_stages_that_need_them(space: Workspace, perceptual: bool) -> None:
    raw = {**WITH_WEIGHTS, "encoders": {"probe": {}}, "evaluations": {"faces": {}}}
    study = space.write(raw if perceptual else edited(raw, {"tokenizers/vqvae/perceptual": "none"}))
    printed = space.run(space.target("faces", "metrics", "tokenizers.parquet"), "--dry-run", study=study)
    for rule in ("train_tokenizer", "measure_tokenizers"):
        (inputs,) = re.findall(rf"^rule {rule}:\n    input: (.*)$", printed, re.MULTILINE)
        assert (f"downloads/weights/{VGG16_WEIGHTS}" in inputs) == perceptual


def test_files_that_a_study_does_not_need_are_fetched_by_their_place(space: Workspace) -> None:
    study = space.write(WITH_WEIGHTS)
    assert space.planned("downloads/weights/ViT-B-32.pt", study=study) == {"download_weights weights=ViT-B-32.pt"}


def test_weights_come_from_the_address_in_the_lock(server: Loopback, tmp_path: Path) -> None:
    content = b"weights" * 100
    server.answers["/net.pth"] = File(content, drops=[100])
    lock = tmp_path / "my.lock"

    def script(digest: str) -> subprocess.CompletedProcess[str]:
        entry = {"url": f"{server.url}/net.pth", "sha256": digest, "licence": "MIT"}
        lock.write_text('["net.pth"]\n' + "".join(f'{key} = "{value}"\n' for key, value in entry.items()))
        command = [sys.executable, str(SCRIPTS / "download_weights.py"), "--lock", str(lock), "--file", "net.pth"]
        command += ["--folder", str(tmp_path / "weights")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    wrong = script("0" * 64)
    assert wrong.returncode == 1 and not list((tmp_path / "weights").iterdir())
    errors = [line for line in wrong.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and f"fetch it elsewhere and put it there: {tmp_path}/weights/net.pth" in errors[0]
    right = script(hashlib.sha256(content).hexdigest())
    assert right.returncode == 0, right.stderr
    assert (tmp_path / "weights" / "net.pth").read_bytes() == content
