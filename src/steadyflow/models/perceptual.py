"""LPIPS (Zhang et al., 2018), a perceptual distance in the features of a VGG16."""

import warnings
from pathlib import Path

import lpips
import torch
from torch import Tensor, nn

from steadyflow.ground.constants import VGG16_WEIGHTS
from steadyflow.models.weights import read_torch_file, require_shapes, require_tensors

WANTED = f"expected torchvision's {VGG16_WEIGHTS}, see resources/weights.lock"


class Lpips(nn.Module):
    """LPIPS version 0.1: linear heads from the lpips package, the backbone from torchvision's file of VGG16 weights.

    It is frozen, stays in evaluation mode, and computes in float32 also under autocast.
    """

    def __init__(self, vgg16_path: Path | str) -> None:
        """`vgg16_path` is vgg16-397923af.pth. Raises UserError naming the file if it is missing or another one."""
        super().__init__()
        backbone = _read_backbone(Path(vgg16_path))
        # The package first draws random weights, which must not advance the caller's generator, and it calls
        # torchvision with a deprecated argument.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
            self.network = lpips.LPIPS(net="vgg", version="0.1", pnet_rand=True, verbose=False)
        _fill(self.network.net, backbone, vgg16_path)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Lpips":
        """Does nothing: the heads have dropout, so the module stays in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Images [B,C,H,W] in [-1, 1], C 1 or 3, H and W at least 16 -> distances [B], 0 for equal images.

        Gradients flow to both.
        """
        with torch.autocast(images.device.type, enabled=False):
            distances = self.network(images.float().expand(-1, 3, -1, -1), others.float().expand(-1, 3, -1, -1))
        return distances.flatten()


def _read_backbone(path: Path) -> dict[str, Tensor]:
    """The weights of the convolutions of torchvision's VGG16, by torchvision's names."""
    weights = require_tensors(path, read_torch_file(path, WANTED), WANTED)
    return {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}


def _fill(network: nn.Module, backbone: dict[str, Tensor], path: Path | str) -> None:
    """Loads the weights; torchvision's layer features.N is sliceK.N in lpips."""
    place = {"features." + name.split(".", 1)[1]: name for name in network.state_dict()}
    wanted = {name: network.state_dict()[inner] for name, inner in place.items()}
    require_shapes(path, backbone, wanted, f"not the weights of a VGG16 ({WANTED})")
    network.load_state_dict({place[name]: tensor for name, tensor in backbone.items()})
