"""What every result was made from: a small JSON record beside the results, for each job.

A record holds the job's identity, the version of its algorithm, and the sha256 of every input and output. It is
written last, so what has none is not complete. Whether a result is what the study says now follows from the records
alone: neither file times nor Snakemake's own memory enter it, so a copied, moved or cloned folder of results is as good
as the first.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadyflow.data.listing import Detail
from steadyflow.ground.artifacts import UserError, provenance, read_json, spec_hash, write_json
from steadyflow.plan.layout import checkpoint_file, record_file
from steadyflow.stages.stage import Artifact, External, Input, Inputs, Job, file_of, output_files
from steadyflow.study import Study


@dataclass(frozen=True)
class Fingerprint:
    """Of a file, or of all files in a folder.

    size: bytes
    mtime_ns: last modification; of a folder a number that follows from those of all its files, and from their names
    sha256: of the content
    """

    size: int
    mtime_ns: int
    sha256: str


def fingerprint(path: Path, known: Fingerprint | None = None) -> Fingerprint | None:
    """None where there is nothing. Where size and time are those of `known`, so is the content; else it is read."""
    files = sorted(_files(path))
    if not files:
        return None
    stats = {str(file.relative_to(path)): file.stat() for file in files}
    size = sum(stat.st_size for stat in stats.values())
    times = {name: stat.st_mtime_ns for name, stat in stats.items()}
    mtime_ns = int(spec_hash(times), 16) if path.is_dir() else times["."]
    if known is not None and (known.size, known.mtime_ns) == (size, mtime_ns):
        return known
    if known is not None and known.size != size:
        return Fingerprint(size, mtime_ns, "")
    if path.is_file():
        return Fingerprint(size, mtime_ns, _sha256(path))
    listed = "".join(f"{_sha256(file)} {file.relative_to(path)}\n" for file in files)
    return Fingerprint(size, mtime_ns, hashlib.sha256(listed.encode()).hexdigest())


def _listed(listing: Callable[[Detail], str], known: Fingerprint | None) -> Fingerprint:
    """Of a source of images, as `fingerprint`: `size` and `mtime_ns` are hashes of its listing."""
    size, times = int(listing("sizes"), 16), int(listing("times"), 16)
    if known is not None and (known.size, known.mtime_ns) == (size, times):
        return known
    if known is not None and known.size != size:
        return Fingerprint(size, times, "")
    return Fingerprint(size, times, listing("content"))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for folder, _, names in os.walk(path):
            # Snakemake marks a finished folder.
            yield from (Path(folder, name) for name in names if name != ".snakemake_timestamp")
    elif path.exists():
        yield path


def _holds_something(path: Path) -> bool:
    """An empty folder is where a disk is mounted, and is not now."""
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Record:
    """What a job was made from, and what it left, by name. Of an input that is an artifact it holds the content alone
    (size and time are 0): the record of its own job has the rest."""

    stage: str
    version: int
    identity: Any
    inputs: dict[str, Fingerprint]
    outputs: dict[str, Fingerprint]
    environment: dict[str, str]

    @property
    def key(self) -> str:
        return content_key(self.stage, self.version, self.identity, self.inputs)


def content_key(stage: str, version: int, identity: Any, inputs: dict[str, Fingerprint]) -> str:
    """A hash of all that defines a result: 16 hex digits."""
    return spec_hash([stage, version, identity, {name: each.sha256 for name, each in inputs.items()}])


def read_record(study: Study, job: Job) -> Record | None:
    """None where there is none, or none that this version understands. Raises UserError where it may not be read: that
    is no reason to make its result again."""
    try:
        content = read_json(record_file(study, job))
        parts = {part: {k: Fingerprint(**v) for k, v in content[part].items()} for part in ("inputs", "outputs")}
        return Record(**{**content, **parts})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            f"{record_file(study, job)}: the record of {job} cannot be read ({error.strerror}); make it readable, or "
            "delete it to run the job again"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def write_record(study: Study, job: Job, inputs: dict[str, Fingerprint]) -> None:
    """Of a job whose outputs are all there. Raises UserError where one is not."""
    outputs = {}
    for name, path in output_files(study, job).items():
        found = fingerprint(path)
        if found is None:
            raise UserError(f"{path}: {job} has ended without writing it")
        outputs[name] = found
    record = Record(job.stage.name, job.stage.version, identity_of(study, job), inputs, outputs, provenance())
    write_json(record_file(study, job), dataclasses.asdict(record))


def identity_of(study: Study, job: Job) -> Any:
    """As a record holds it, JSON having no tuples."""
    return _as_json(job.stage.identity(study, job.names))


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_json(each) for key, each in value.items()}
    return [_as_json(each) for each in value] if isinstance(value, list | tuple) else value


NOT_THERE = "it is not there, or not complete"
"""The reason to run a job whose result was never made."""


class Provenance:
    """The records of a study's jobs, each read once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._records: dict[Job, Record | None] = {}

    def record(self, job: Job) -> Record | None:
        if job not in self._records:
            self._records[job] = read_record(self.study, job)
        return self._records[job]

    def inputs(self, job: Job, known: dict[str, Fingerprint] | None = None) -> dict[str, Fingerprint]:
        """What the inputs of a job hold now, by name: artifacts as their jobs recorded them, others as they are. Raises
        UserError naming what is not there."""
        found = {}
        for name, item in named_inputs(job.stage.inputs(self.study, job.names)):
            content = self._content(item, (known or {}).get(name))
            if content is None:
                maker = f"; {item.job} makes it" if isinstance(item, Artifact) else ""
                raise UserError(f"{file_of(self.study, item)}: {NOT_THERE}{maker}")
            found[name] = content
        return found

    def _content(self, item: Input, known: Fingerprint | None) -> Fingerprint | None:
        if isinstance(item, Artifact):
            record = self.record(item.job)
            output = record.outputs.get(item.output) if record else None
            return output and Fingerprint(0, 0, output.sha256)
        if item.listing is not None:
            return _listed(item.listing, known) if _holds_something(Path(item.path)) else None
        return fingerprint(Path(item.path), known)

    def reason(self, job: Job) -> str | None:
        """Why the result of a job, by itself, is not what the study says now; None where it is."""
        record = self.record(job)
        if record is None and record_file(self.study, job).exists():
            return f"{record_file(self.study, job)} is no record that this version of steadyflow understands"
        if record is None:
            return NOT_THERE
        if record.version != job.stage.version:
            return f"version {job.stage.version} of its algorithm replaces version {record.version}"
        identity = identity_of(self.study, job)
        if record.identity != identity:
            return "; ".join(differences(record.identity, identity)[:3])
        return self._changed_inputs(job, record) or self._changed_outputs(job, self.record(job) or record)

    def _changed_inputs(self, job: Job, record: Record) -> str | None:
        items = dict(named_inputs(job.stage.inputs(self.study, job.names)))
        if items.keys() != record.inputs.keys():
            changed = ", ".join(sorted(items.keys() ^ record.inputs.keys())[:3])
            return f"it reads other inputs now ({changed})"
        seen = {name: self._content(item, record.inputs[name]) for name, item in items.items()}
        for name, item in items.items():
            # A file from outside that was deleted since has not changed.
            gone = seen[name] is None and isinstance(item, External)
            if not gone and ((now := seen[name]) is None or now.sha256 != record.inputs[name].sha256):
                return f"{file_of(self.study, item)} is not what it was made from"
        inputs = record.inputs | {name: each for name, each in seen.items() if each is not None}
        self._refresh(job, dataclasses.replace(record, inputs=inputs))
        return None

    def _refresh(self, job: Job, refreshed: Record) -> None:
        """The same content under other times, as in a copy: the record learns the times, and the next look is quick."""
        if refreshed != self.record(job):
            self._records[job] = refreshed
            if os.access(record_file(self.study, job).parent, os.W_OK):
                write_json(record_file(self.study, job), dataclasses.asdict(refreshed))

    def _changed_outputs(self, job: Job, record: Record) -> str | None:
        files = output_files(self.study, job)
        if files.keys() != record.outputs.keys():
            return "it leaves other files now"
        seen = {name: fingerprint(path, record.outputs[name]) for name, path in files.items()}
        for name, path in files.items():
            if (now := seen[name]) is None:
                return f"{path} is missing"
            if now.sha256 != record.outputs[name].sha256:
                return f"{path} has changed since it was made"
        outputs = {name: each for name, each in seen.items() if each is not None}
        self._refresh(job, dataclasses.replace(record, outputs=outputs))
        return None


def current_checkpoint(study: Study, job: Job) -> Path | None:
    """Where a job saves what it resumes from, by what its inputs hold now; None as long as they are not all there."""
    try:
        inputs = Provenance(study).inputs(job)
    except UserError:
        return None
    return checkpoint_file(study, job, content_key(job.stage.name, job.stage.version, identity_of(study, job), inputs))


def named_inputs(inputs: Inputs) -> Iterator[tuple[str, Input]]:
    """Every input under a name of its own: an artifact's is the same wherever the results lie."""
    for name, value in inputs.items():
        for place, item in enumerate(value if isinstance(value, tuple) else (value,)):
            yield (str(item) if isinstance(item, Artifact) else f"{name} {place}"), item


def differences(before: Any, now: Any, place: str = "") -> list[str]:
    """What differs between two identities, as "steps: 40 -> 50"."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        inner = (differences(before.get(k), now.get(k), f"{place}.{k}" if place else str(k)) for k in keys)
        return [line for lines in inner for line in lines]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        inner = (differences(a, b, place) for a, b in zip(before, now, strict=True))
        return [line for lines in inner for line in lines]
    return [] if before == now else [f"{place or 'identity'}: {before} -> {now}"]
