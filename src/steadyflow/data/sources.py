"""The sources of images, by the name a study gives them."""

from collections.abc import Callable, Mapping

from steadyflow.data.digits import digits
from steadyflow.data.folder import folder
from steadyflow.data.idx import idx
from steadyflow.data.records import Source
from steadyflow.data.synthetic_faces import synthetic_faces

SOURCES: Mapping[str, Callable[..., Source]] = {
    "synthetic_faces": synthetic_faces,
    "idx": idx,
    "digits": digits,
    "folder": folder,
}
