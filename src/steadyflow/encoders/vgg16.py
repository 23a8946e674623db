"""VGG16: the features of the papers' precision and recall, after the second fully connected layer's ReLU."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchvision.models import vgg16

from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Extractor
from steadyflow.encoders.filling import filled, read_tensors
from steadyflow.encoders.pixels import IMAGENET_MEAN, IMAGENET_STD, normalised, planes
from steadyflow.ground.constants import FEATURE_DIMS

LAST = 4  # of the classifier's layers: the ReLU after its second linear layer


def build(files: Mapping[str, Path], device: torch.device) -> Extractor:
    """`files` is torchvision's vgg16-397923af.pth. Preprocessing is that of torch-fidelity."""
    ((_, path),) = files.items()
    weights = {name: tensor for name, tensor in read_tensors(path).items() if not name.startswith("classifier.6.")}
    network = filled(_network, weights, path, device)

    def features(images: Picture) -> Tensor:
        x = interpolate_bilinear_2d_like_tensorflow1x(planes(images, device), size=(224, 224), align_corners=False)
        return network(normalised(x, IMAGENET_MEAN, IMAGENET_STD))

    return Extractor("VGG16 fc2 after ReLU, paper resize to 224", FEATURE_DIMS["vgg16"], features)


def _network() -> nn.Module:
    network = vgg16()
    network.classifier = network.classifier[: LAST + 1]
    return network
