"""Writes manifest.parquet row by row; memory holds one row group, and 8 bytes per key."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from steadyflow.data.records import Source
from steadyflow.ground.artifacts import UserError

COLUMNS = ("id", "key", "split", "label", "width", "height")
ROW_GROUP = 1 << 14


def key_hash(key: str) -> int:
    """A uniform 64-bit hash, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


class ManifestWriter:
    """Context manager to which rows are added. `counts` is the number of rows of each split."""

    def __init__(self, path: Path | str, source: Source):
        """Raises UserError for an attribute with the name of a column of the manifest."""
        import pyarrow as pa
        from pyarrow import parquet

        for name in source.attributes:
            if name in COLUMNS:
                raise UserError(
                    f"{source.name}: an attribute cannot be called {name!r}, a column of the manifest; rename it"
                )
        types = {"id": pa.int64(), "key": pa.string(), "split": pa.string(), "label": pa.int64()}
        types |= dict.fromkeys(source.attributes, pa.string()) | {"width": pa.int64(), "height": pa.int64()}
        self.counts: Counter[str] = Counter()
        self._source = source
        self._schema = pa.schema(types)
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._rows: list[Mapping[str, Any]] = []
        self._hashes: npt.NDArray[np.uint64] = np.empty(0, np.uint64)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def add(self, *, key: str, split: str, label: int, attributes: Mapping[str, str], size: tuple[int, int]) -> None:
        """Adds a row; `size` is (height, width). Raises UserError for duplicate keys, when a row group is complete."""
        row = {"id": self.counts.total(), "key": key, "split": split, "label": label, **attributes}
        self._rows.append({**row, "height": size[0], "width": size[1]})
        self.counts[split] += 1
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema), row_group_size=ROW_GROUP)
        fresh = np.array([key_hash(row["key"]) for row in self._rows], np.uint64)
        self._rows.clear()
        self._hashes = np.sort(np.concatenate([self._hashes, fresh]))
        repeated = self._hashes[1:][self._hashes[1:] == self._hashes[:-1]]
        if len(repeated):
            self._compare(set(repeated.tolist()))

    def _compare(self, suspects: set[int]) -> None:
        """Checks whether keys with equal hashes are equal. Keys are not kept, so the source is read again."""
        seen = set()
        for record in self._source.records:
            if record.key in seen:
                raise UserError(f"{self._source.name}: duplicate key {record.key!r}; keys must be unique")
            if key_hash(record.key) in suspects:
                seen.add(record.key)
