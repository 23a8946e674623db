"""The sources of images by their name in a study."""

from collections.abc import Callable, Mapping

from steadyflow.data.celeba import celeba
from steadyflow.data.cifar10 import cifar10
from steadyflow.data.digits import digits
from steadyflow.data.folder import folder
from steadyflow.data.huggingface import huggingface
from steadyflow.data.idx import idx
from steadyflow.data.imagefolder import imagefolder
from steadyflow.data.records import Source
from steadyflow.data.synthetic_faces import synthetic_faces

SOURCES: Mapping[str, Callable[..., Source]] = {
    "synthetic_faces": synthetic_faces,
    "idx": idx,
    "digits": digits,
    "folder": folder,
    "imagefolder": imagefolder,
    "celeba": celeba,
    "cifar10": cifar10,
    "huggingface": huggingface,
}
