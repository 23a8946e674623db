"""Where images come from."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from steadyflow.study.specs.fields import Seed, Spec


def _folder_by_folder(value: str) -> str:
    for part in value.split("/"):
        if part in (".", "..") or "**" in part:
            raise ValueError(f"'{value}' holds '{part}'; name each folder on the way, or write * for it")
    return value


Pattern = Annotated[str, Field(pattern=r"^[\w.*?+\[\]-]+(/[\w.*?+\[\]-]+)*$"), AfterValidator(_folder_by_folder)]
"""Of files' paths inside a folder."""


class _Source(Spec):
    arguments: ClassVar[set[str]] = set()
    """What the function that opens the source takes."""
    fit: ClassVar[Literal["crop", "pad"]] = "crop"
    """How its images come to the resolution."""
    bad_images: Literal["error", "skip"] = "error"
    """What to do with an unreadable image or one of another mode; skipped images are listed in dataset.json."""
    expected_images: PositiveInt | None = None
    """About how many there are, so that time limits and `estimate` can tell hours and bytes before they are there.
    It changes no result."""

    @property
    def known_images(self) -> int | None:
        """How many images the source has, where that is known beforehand, or as said."""
        return self.expected_images

    @property
    def files(self) -> list[str]:
        """Files and folders outside the results that it is made from."""
        return []

    @property
    def downloaded(self) -> bool:
        """Whether its files are fetched into the study's downloads."""
        return False

    @property
    def origin(self) -> dict[str, Any]:
        """What downloaded files depend on."""
        return self.model_dump(mode="json", include={"source", "repo", "revision", "train", "val"})

    @property
    def unlabelled(self) -> bool:
        """Whether the study already says that its images have neither classes nor attributes."""
        return False


class _HashSplit(_Source):
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the images held out, chosen by a stable hash of each key."""


class _OwnSplit(_Source):
    val_fraction: Literal[0] = 0
    """The source has a validation split of its own."""


class SyntheticFaces(_HashSplit):
    """Faces drawn from a seed, with exactly known attributes."""

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
    """Any folder of images, or a tar or zip archive of one. Nothing is converted: all images have `channels`."""

    arguments: ClassVar[set[str]] = {"path", "labels_csv", "channels", "classes"}

    source: Literal["folder"]
    path: str
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    labels_csv: str | None = None
    """Columns file, label (optional) and attributes."""
    classes: Literal["subfolders", "none"] = "subfolders"
    """Without a labels_csv: the first level of subfolders names the classes, or nothing does (FFHQ's are numbers)."""

    @property
    def files(self) -> list[str]:
        return [path for path in (self.path, self.labels_csv) if path]

    @property
    def unlabelled(self) -> bool:
        return self.labels_csv is None and self.classes == "none"


class ImageFolder(_OwnSplit):
    """ImageNet's layout: `path`, or an archive, holds train/CLASS/*.JPEG and val/CLASS/*.JPEG. Classes are counted in
    sorted order. Grey and CMYK images among coloured ones become RGB."""

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
    """CelebA with its 40 attributes (yes, no). `path` holds img_align_celeba/ (or .zip), list_attr_celeba.txt and
    list_eval_partition.txt, as its authors give them out; their test images are left out."""

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
    """A folder that holds the files already; they are downloaded when it is left out."""

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
    """Parquet shards of a dataset on the Hugging Face hub, one row an image; grey images among coloured become RGB."""

    arguments: ClassVar[set[str]] = {
        "path", "train", "val", "image_column", "label_column", "channels", "listed",
    }  # fmt: skip

    source: Literal["huggingface"]
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"
    """A commit's hash pins the content; a branch may move."""
    train: Pattern = "data/train-*.parquet"
    """Shards of the training split, a pattern of paths inside the repository."""
    val: Pattern | None = None
    """Shards of the validation split; without it val_fraction of the training images is held out."""
    image_column: str = "image"
    label_column: str | None = "label"
    """Whole numbers, with class names in the shards' metadata or without; null when the images have no classes."""
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _split_said_once(self) -> Self:
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
