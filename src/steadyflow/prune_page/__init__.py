"""The pruning page: what each subset of a study keeps and drops, as one HTML file that contains its pictures.

`dataset` computes the facts from plain arguments, `page` renders them. The page is bounded however large the dataset:
in clusters, examples, attributes and the size of pictures.
"""

from steadyflow.prune_page.dataset import Clustering, Selection, dataset_facts
from steadyflow.prune_page.page import prune_page, thumbnails

__all__ = ["Clustering", "Selection", "dataset_facts", "prune_page", "thumbnails"]
