"""PaliGemma's folder of a network of a few thousand random weights, which knows a few words."""

import torch

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<image>")
VOCABULARY = (
    *SPECIAL, "\n", "female", "male", "woman", "man", "and", "black", "?", "answer", "en", "is", "this", "one",
)  # fmt: skip
SIDE, PATCHES = 28, 4


def write_paligemma(folder):
    """Returns `folder`, which is made, with all files that the library saves."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = {word: code for code, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Split("\n", "isolated")]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )
    pictures = transformers.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    pictures.image_seq_length = PATCHES
    common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {"model_type": "siglip_vision_model", "image_size": SIDE, "patch_size": 14, "vision_use_head": False}
    text = {"model_type": "gemma", "num_key_value_heads": 1, "head_dim": 16, "vocab_size": len(names)}
    codes = {f"{name}_token_id": names[f"<{name}>"] for name in ("pad", "eos", "bos")}
    config = transformers.PaliGemmaConfig(
        vision_config={**common, **vision, "projection_dim": 32},
        text_config={**common, **text, **codes},
        image_token_index=names["<image>"],
        projection_dim=32,
        hidden_size=32,
    )
    # As if it were the only one drawing.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = transformers.PaliGemmaForConditionalGeneration(config)
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=2.0 if "patch_embedding" in name else 0.5)
    # What a real one never says.
    unsaid = [names[word] for word in SPECIAL if word != "<eos>"]
    model.get_input_embeddings().weight.data[unsaid] = 0
    model.save_pretrained(folder)
    transformers.PaliGemmaProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder
