"""CLIP networks in files as OpenAI's, of weights made here."""

import copy

import torch


class _Holder(torch.nn.Module):
    """OpenAI's archive: the model's tensors under its own names, and integers of its configuration."""

    def __init__(self, model):
        super().__init__()
        self.visual, self.transformer = model.visual, model.transformer
        self.token_embedding, self.ln_final = model.token_embedding, model.ln_final
        self.positional_embedding, self.text_projection = model.positional_embedding, model.text_projection
        self.logit_scale = model.logit_scale
        for name, value in {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}.items():
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def write_archive(model, path):
    """An open_clip model as TorchScript in half precision; its own weights are rounded likewise."""
    model.eval().half().float()
    archive = torch.jit.trace_module(_Holder(copy.deepcopy(model)), {"forward": torch.zeros(1)})
    archive.half().save(str(path))
    return path
