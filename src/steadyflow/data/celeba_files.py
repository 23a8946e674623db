"""CelebA's lists and the paths of its images. Standard library only, as `files`."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from steadyflow.ground.artifacts import UserError

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
SPLITS = {"0": "train", "1": "val"}
TEST = "2"
VALUES = {"-1": "no", "1": "yes"}


def images_folder(path: Path) -> Path | None:
    """The folder of images; None if they are still in `images_archive`."""
    folder = path / IMAGES
    return folder if folder.is_dir() else None


def images_archive(path: Path) -> Path:
    return path / f"{IMAGES}.zip"


def attribute_names(path: Path) -> list[str]:
    """The names of the attributes. Raises UserError if the file does not begin with a count and the names."""
    file = path / ATTRIBUTES
    head = [words for _, words in islice(_lines(file), 2)]
    if len(head) < 2 or len(head[0]) != 1 or len(set(head[1])) != len(head[1]):
        raise UserError(f"{file}: expected the number of images in line 1 and the attributes' names in line 2")
    return head[1]


def partition(path: Path) -> Iterator[tuple[str, str, str | None]]:
    """For each line of the partition: its location ('FILE, line 3'), the image's file name, and its split, None for
    test images. Raises UserError for a malformed line."""
    for place, words in _lines(path / PARTITION):
        if len(words) != 2 or words[1] not in (*SPLITS, TEST):
            raise UserError(f"{place}: expected a file name and 0, 1 or 2; get the file again")
        yield place, words[0], SPLITS.get(words[1])


def read_images(path: Path) -> Iterator[str]:
    """The file names of the training and validation images."""
    return (file for _, file, split in partition(path) if split is not None)


def labelled_images(path: Path, names: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """File name, split and values of the attributes `names` of the training and validation images.

    Raises UserError naming the file and the line if one of the two lists is malformed or lacks an image.
    """
    attributes, assigned = _lines(path / ATTRIBUTES), partition(path)
    (_, head), _ = next(attributes), next(attributes)
    count = 0
    for where, (file, *values) in attributes:
        count += 1
        if len(values) != len(names) or not set(values) <= set(VALUES):
            raise UserError(f"{where}: expected a file name and {len(names)} times 1 or -1; get the file again")
        place, same, split = next(assigned, (f"{path / PARTITION}, at its end", "", None))
        if same != file:
            raise UserError(f"{place}: expected `{file}` and 0, 1 or 2; get the file again")
        if split is not None:
            yield file, split, [VALUES[value] for value in values]
    if head != [str(count)]:
        raise UserError(f"{path / ATTRIBUTES}: {count} images, but line 1 says {head[0]}; get the file again")
    for place, file, _ in assigned:
        raise UserError(f"{place}: {file} is not in {path / ATTRIBUTES}; get the files again")


def _lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The location ('FILE, line 3') and the words of each line that is not empty."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if words := line.split():
                    yield f"{file}, line {number}", words
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error}); get it where the images came from") from error
