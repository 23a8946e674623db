"""Visual question answering by PaliGemma, a vision-language model of 3 billion weights (Beyer et al. 2024)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import AutoProcessor, PaliGemmaForConditionalGeneration

from steadyflow.classifiers.answers import answer_reader
from steadyflow.classifiers.classifier import Classifier, Codes
from steadyflow.encoders.pixels import rgb
from steadyflow.ground.artifacts import UserError, file_hash, spec_hash
from steadyflow.ground.constants import PALIGEMMA_REPO

# Maximum length of an answer, more than any value's words need.
MOST_TOKENS = 10
PRECISION = torch.bfloat16


def load(files: Sequence[Path], attributes: Mapping[str, Mapping[str, Any]], device: torch.device) -> Classifier:
    """`files` are all files of the model's folder (JSON and safetensors); `attributes`: name -> question and answers.

    No network is used, no code in the folder is run, and no pickle is read. Raises UserError for other files.
    """
    processor, model = _open(files[0].parent, device)
    readers = {attribute: answer_reader(spec["answers"]) for attribute, spec in attributes.items()}

    @torch.no_grad()
    def generate(question: str, pictures: list[Image.Image]) -> list[str]:
        """Answers by greedy decoding."""
        inputs = processor(text=[f"<image>{question}"] * len(pictures), images=pictures, return_tensors="pt")
        inputs = inputs.to(device, dtype=model.dtype)
        inputs.pop("labels", None)
        tokens = model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=MOST_TOKENS)
        texts: list[str] = processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return texts

    def classify(images: npt.NDArray[np.generic]) -> Codes:
        pictures = [Image.fromarray(image) for image in rgb(images.astype(np.uint8, copy=False))]
        return {
            name: np.array([readers[name](answer) for answer in generate(spec["question"], pictures)], np.int8)
            for name, spec in attributes.items()
        }

    contents = {path.name: file_hash(path) for path in files}
    questions = {name: [spec["question"], list(spec["answers"].items())] for name, spec in attributes.items()}
    return Classifier(
        "paligemma",
        spec_hash([contents, questions]),
        "Gemma Terms of Use",
        f"{PALIGEMMA_REPO} in bf16, greedy answers of {MOST_TOKENS} tokens",
        {attribute: tuple(spec["answers"]) for attribute, spec in attributes.items()},
        classify,
    )


def _open(folder: Path, device: torch.device) -> tuple[Any, Any]:
    """The processor and the model. Raises UserError for another folder, or one without some of the weights."""
    expected = f"expected the files of {PALIGEMMA_REPO}, fetched whole"
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    opened: dict[str, Any] = {"use_safetensors": True, "dtype": PRECISION, "output_loading_info": True}
    try:
        processor = AutoProcessor.from_pretrained(folder, **local)
        both: Any = PaliGemmaForConditionalGeneration.from_pretrained(folder, **local, **opened)
    # Errors are of many types.
    except Exception as error:
        raise UserError(f"{folder}: cannot be opened as PaliGemma ({error}); {expected}") from error
    model, found = both
    # The library would initialise these at random, and only warn.
    lacking = sorted([*found["missing_keys"], *map(str, found["mismatched_keys"])])
    if lacking:
        raise UserError(f"{folder}: no weights for {lacking[0]} and {len(lacking) - 1} others; {expected}")
    return processor, model.requires_grad_(False).eval().to(device)
