"""Datasets: the sources of images."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from steadyflow.study.specs.fields import Seed, Spec


def _folder_by_folder(value: str) -> str:
    for part in value.split("/"):
        if part in (".", "..") or "**" in part:
            raise ValueError(f"'{value}' holds '{part}'; name each folder on the way, or write * for it")
    return value


Pattern = Annotated[str, Field(pattern=r"^[\w.*?+\[\]-]+(/[\w.*?+\[\]-]+)*$"), AfterValidator(_folder_by_folder)]
"""A glob pattern of paths inside a folder."""


class _Source(Spec):
    arguments: ClassVar[set[str]] = set()
    """Fields that are arguments of the source's function."""
    fit: ClassVar[Literal["crop", "pad"]] = "crop"
    """How images are resized to the resolution."""
    bad_images: Literal["error", "skip"] = "error"
    """How to handle unreadable images and those of another mode; skipped images are listed in dataset.json."""
    expected_images: PositiveInt | None = None
    """Approximate number of images, for time limits and `estimate` before the images exist. It changes no result."""

    @property
    def known_images(self) -> int | None:
        """The number of images, if known without reading them, otherwise `expected_images`."""
        return self.expected_images

    @property
    def files(self) -> list[str]:
        """Local files and folders outside the results that the source reads."""
        return []

    @property
    def downloaded(self) -> bool:
        """Whether its files are downloaded by the stage fetch."""
        return False

    @property
    def origin(self) -> dict[str, Any]:
        """The identity of downloaded files."""
        return self.model_dump(mode="json", include={"source", "repo", "revision", "train", "val"})

    @property
    def unlabelled(self) -> bool:
        """Whether the images have neither classes nor attributes according to the study."""
        return False


class _HashSplit(_Source):
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Fraction of the images used for validation, selected by a stable hash of each key."""


class _OwnSplit(_Source):
    val_fraction: Literal[0] = 0
    """The source has a validation split of its own."""


class SyntheticFaces(_HashSplit):
    """Synthetic faces with known attributes."""

    arguments: ClassVar[set[str]] = {"count", "seed", "resolution"}

    source: Literal["synthetic_faces"]
    count: PositiveInt = 5000
    seed: Seed = 0
    resolution: PositiveInt = 64

    @property
    def known_images(self) -> int:
        return self.count

    @property
    def channels(self) -> int:
        return 3


class Idx(_OwnSplit):
    """MNIST's file format; the test files are the validation split."""

    arguments: ClassVar[set[str]] = {"folder"}
    fit: ClassVar[Literal["crop", "pad"]] = "pad"

    source: Literal["idx"]
    folder: str = "/usr/share/datasets/fashion-mnist"
    resolution: PositiveInt = 32
    """Images are padded with zeros to this size."""

    @property
    def known_images(self) -> int:
        return self.expected_images or 70_000

    @property
    def channels(self) -> int:
        return 1

    @property
    def files(self) -> list[str]:
        return [self.folder]


class Digits(_HashSplit):
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels."""

    source: Literal["digits"]
    resolution: PositiveInt = 16

    @property
    def known_images(self) -> int:
        return 1797

    @property
    def channels(self) -> int:
        return 1


class Folder(_HashSplit):
    """A folder of images, or a tar or zip archive of one. Images are not converted: all must have `channels`."""

    arguments: ClassVar[set[str]] = {"path", "labels_csv", "channels", "classes"}

    source: Literal["folder"]
    path: str
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    labels_csv: str | None = None
    """Columns file, label (optional) and attributes."""
    classes: Literal["subfolders", "none"] = "subfolders"
    """Without labels_csv: classes are the top-level subfolders, or there are none (FFHQ's subfolders are numbers)."""

    @property
    def files(self) -> list[str]:
        return [path for path in (self.path, self.labels_csv) if path]

    @property
    def unlabelled(self) -> bool:
        return self.labels_csv is None and self.classes == "none"


class ImageFolder(_OwnSplit):
    """ImageNet's layout: `path`, or an archive, with train/CLASS/*.JPEG and val/CLASS/*.JPEG. Classes are numbered in
    sorted order. Grey and CMYK images are converted to RGB."""

    arguments: ClassVar[set[str]] = {"path", "class_names", "channels"}

    source: Literal["imagefolder"]
    path: str
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    class_names: str | None = None
    """A file with a line `n01440764 tench, Tinca tinca` for each class folder (ImageNet's LOC_synset_mapping.txt)."""

    @property
    def files(self) -> list[str]:
        return [path for path in (self.path, self.class_names) if path]


class CelebA(_OwnSplit):
    """CelebA with its 40 attributes (yes, no). `path` contains img_align_celeba/ (or .zip), list_attr_celeba.txt and
    list_eval_partition.txt, as distributed by its authors; the test images are excluded."""

    arguments: ClassVar[set[str]] = {"path"}

    source: Literal["celeba"]
    path: str
    resolution: PositiveInt = 64

    @property
    def known_images(self) -> int:
        return self.expected_images or 182_637

    @property
    def channels(self) -> int:
        return 3

    @property
    def files(self) -> list[str]:
        return [self.path]


class _Downloaded(_Source):
    arguments: ClassVar[set[str]] = {"path"}

    path: str | None = None
    """A folder with the files; by default they are downloaded."""

    @property
    def files(self) -> list[str]:
        return [self.path] if self.path else []

    @property
    def downloaded(self) -> bool:
        return self.path is None


class Cifar10(_Downloaded, _OwnSplit):
    """CIFAR-10's binary version; the test batch is the validation split."""

    source: Literal["cifar10"]
    resolution: PositiveInt = 32

    @property
    def known_images(self) -> int:
        return 60_000

    @property
    def channels(self) -> int:
        return 3


class HuggingFace(_Downloaded):
    """Parquet shards of a dataset on the Hugging Face hub, one row per image; grey images are converted to RGB."""

    arguments: ClassVar[set[str]] = {
        "path", "train", "val", "image_column", "label_column", "channels", "listed",
    }  # fmt: skip

    source: Literal["huggingface"]
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"
    """A commit, which fixes the content, or a branch or tag."""
    train: Pattern = "data/train-*.parquet"
    """Pattern of the training split's shards, paths inside the repository."""
    val: Pattern | None = None
    """Pattern of the validation split's shards; without it, val_fraction of the training images are used."""
    image_column: str = "image"
    label_column: str | None = "label"
    """Column of integers, with or without class names in the shards' metadata; null if there are no classes."""
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _one_split(self) -> Self:
        if self.val is not None and "val_fraction" in self.model_fields_set:
            raise ValueError("has both `val` and `val_fraction`: the validation split is either a file's or a share")
        if self.val is None and not self.val_fraction:
            raise ValueError("has no validation images: name their shards in `val`, or give a `val_fraction`")
        return self

    @property
    def unlabelled(self) -> bool:
        return self.label_column is None


Dataset = Annotated[
    SyntheticFaces | Idx | Digits | Folder | ImageFolder | CelebA | Cifar10 | HuggingFace,
    Field(discriminator="source"),
]
