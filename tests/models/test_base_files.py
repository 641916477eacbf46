"""Folders that are offered as base models: one valid, and copies of it with one fault each."""

import json
import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import BadModel
from models import base_files
from models.policy import ModelSettings, build, check_base
from models.scratch import TEMPLATE
from tests.models.conftest import TEXTS

WEIGHTS = "model.safetensors"
EMBEDDINGS = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of two layers, with a template that is not ours."""
    policy = build(ModelSettings(width=16, layers=2, heads=2, feed_forward=32, vocabulary=300), TEXTS)
    policy.tokenizer.chat_template = TEMPLATE + "{# as saved by others #}"
    folder = tmp_path_factory.mktemp("models") / "base"
    policy.save(folder)
    return folder


@pytest.fixture
def base(valid: Path, tmp_path: Path) -> Path:
    """A copy of it to be broken."""
    return Path(shutil.copytree(valid, tmp_path / "base"))


def check(folder: Path) -> None:
    check_base(ModelSettings(base=str(folder)), folder / "no-champion")


Breaking = Callable[[Path], object]


def keys(name: str, **values: Any) -> Breaking:
    """Set keys of a file of JSON."""
    return lambda folder: (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | values))


def config(**values: Any) -> Breaking:
    return keys("config.json", **values)


def content_of(key: str, number: str) -> Breaking:
    """Set a key of the configuration to a number that Python does not write."""

    def change(folder: Path) -> None:
        config(**{key: "NUMBER"})(folder)
        file = folder / "config.json"
        file.write_text(file.read_text().replace('"NUMBER"', number))

    return change


def content(name: str, text: str) -> Breaking:
    return lambda folder: (folder / name).write_text(text)


def weights_of(raw: bytes) -> Breaking:
    return lambda folder: (folder / WEIGHTS).write_bytes(raw)


def embeddings(**fields: Any) -> Breaking:
    """Change the header's entry of the embeddings."""

    def change(folder: Path) -> None:
        raw = (folder / WEIGHTS).read_bytes()
        length = struct.unpack("<Q", raw[:8])[0]
        entries = json.loads(raw[8 : 8 + length])
        entries[EMBEDDINGS] |= fields
        text = json.dumps(entries).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])

    return change


def weight(name: str, value: float) -> Breaking:
    """Set the first number of a tensor."""

    def change(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        weights[name].flat[0] = value
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return change


def index(**names: str) -> Breaking:
    """An index of shards: tensor → file."""
    return content(base_files.INDEX, json.dumps({"weight_map": names}))


def linked(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / WEIGHTS)
    (folder / WEIGHTS).symlink_to(folder.parent / WEIGHTS)


def pipe(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def template(text: str) -> Breaking:
    return content("chat_template.jinja", text)


NESTED = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"

FAULTS: dict[str, tuple[Breaking, tuple[str, ...]]] = {
    "truncated weights": (lambda folder: os.truncate(folder / WEIGHTS, 20_000), (WEIGHTS, "the file at 20,000")),
    "a header beyond the file": (weights_of(struct.pack("<Q", 2**62) + b"{}"), (WEIGHTS, "4,611,686,018,427,387,904")),
    "a header that is not JSON": (weights_of(struct.pack("<Q", 20) + b"{" * 20), (WEIGHTS, "not JSON")),
    "a header that is a list": (weights_of(struct.pack("<Q", 2) + b"[]"), (WEIGHTS, "not a JSON object")),
    "no header": (weights_of(b"\0\0\0"), (WEIGHTS, "in a file of 3")),
    "an unknown data type": (embeddings(dtype="F7"), (WEIGHTS, EMBEDDINGS, "'F7'")),
    "a data type that is no text": (embeddings(dtype=["F32"]), (WEIGHTS, EMBEDDINGS, "F32")),
    "offsets beyond the file": (embeddings(data_offsets=[2**40, 2**40 + 19200]), (WEIGHTS, EMBEDDINGS, "ends at")),
    "offsets the wrong way round": (embeddings(data_offsets=[64, 0]), (WEIGHTS, EMBEDDINGS, "-64 bytes")),
    "a shape of other bytes": (embeddings(shape=[300, 17]), (WEIGHTS, EMBEDDINGS, "[300, 17]")),
    "a negative shape": (embeddings(shape=[-300, -16]), (WEIGHTS, EMBEDDINGS, "shape")),
    "NaN": (weight("model.norm.weight", np.nan), (WEIGHTS, "model.norm.weight", "NaN")),
    "infinity": (weight(EMBEDDINGS, -np.inf), (WEIGHTS, EMBEDDINGS, "infinite")),
    "a missing shard": (index(a="model-00002-of-00002.safetensors"), (base_files.INDEX, "model-00002-of-00002")),
    "a shard elsewhere": (index(a=f"../{WEIGHTS}"), (base_files.INDEX, "../model.safetensors")),
    "a tensor that its shard lacks": (index(other=WEIGHTS), (base_files.INDEX, "no tensor other")),
    "an index without a map": (content(base_files.INDEX, "{}"), (base_files.INDEX, "weight_map")),
    "a link out of the folder": (linked, (WEIGHTS, "link out of the folder")),
    "a pipe": (pipe, ("config.json", "neither a file nor a folder")),
    "an adapter of another model": (
        content("adapter_config.json", '{"base_model_name_or_path": "/elsewhere"}'),
        ("adapter_config.json",),
    ),
    "code elsewhere": (config(auto_map={"AutoModel": "other/repo--code.Model"}), ("config.json", "auto_map")),
    "a name outside": (config(_name_or_path="/etc/model"), ("config.json", "_name_or_path", "/etc/model")),
    "a name above": (config(_name_or_path="../model"), ("config.json", "_name_or_path")),
    "a vocabulary elsewhere": (
        keys("tokenizer_config.json", vocab_file="/etc/passwd"),
        ("tokenizer_config.json", "vocab_file", "/etc/passwd"),
    ),
    "a configuration that is not JSON": (content("config.json", "{"), ("config.json", "not JSON")),
    "an unknown kind of model": (config(model_type="magic"), ("config.json", "magic")),
    "an unknown activation": (config(hidden_act="magic"), ("config.json", "magic")),
    "heads that are no number": (config(num_attention_heads="many"), ("many",)),
    "very many layers": (config(num_hidden_layers=10**9), ("1000000000 layers",)),
    "another width": (config(hidden_size=32, head_dim=8), (EMBEDDINGS, "[300, 16]", "[300, 32]")),
    "another vocabulary": (config(vocab_size=400), (EMBEDDINGS, "[300, 16]", "[400, 16]")),
    "no positions": (config(max_position_embeddings=0), ("max_position_embeddings", "'0'")),
    "too many positions": (
        config(max_position_embeddings=2**40),
        ("config.json", "max_position_embeddings", str(2**40)),
    ),
    "an infinite epsilon": (config(rms_norm_eps=float("inf")), ("config.json", "rms_norm_eps", "inf")),
    "an epsilon beyond numbers": (content_of("rms_norm_eps", "1e400"), ("config.json", "rms_norm_eps", "inf")),
    "an epsilon that is none": (config(rms_norm_eps=float("nan")), ("config.json", "rms_norm_eps", "nan")),
    "a negative epsilon": (config(rms_norm_eps=-1e-6), ("config.json", "rms_norm_eps", "-1e-06")),
    "a large epsilon": (config(layer_norm_epsilon=7.5), ("config.json", "layer_norm_epsilon", "7.5")),
    "a nested NaN": (config(rope_scaling={"factor": float("nan")}), ("config.json", "factor", "nan")),
    "a dropout above 1": (config(attention_dropout=1.5), ("config.json", "attention_dropout", "1.5")),
    "a negative number of layers": (config(num_hidden_layers=-1), ("config.json", "num_hidden_layers", "-1")),
    "an infinite temperature": (
        content("generation_config.json", '{"temperature": Infinity}'),
        ("generation_config.json", "temperature", "inf"),
    ),
    "a broken tokenizer": (content("tokenizer.json", "[]"), ("tokenizer",)),
    "a template that reads a file": (template("{% include '/etc/passwd' %}"), ("chat template", "TypeError")),
    "a template that reads objects": (template("{{ ''.__class__.__mro__ }}"), ("chat template", "SecurityError")),
    "an endless template": (template(NESTED), ("chat template", "5 s")),
    "a template without end": (template("{{ 'a' * 10**9 }}"), ("chat template", "512 MiB")),
    "a template that is none": (template("{% if %}"), ("chat template", "refuses every conversation")),
}


def test_the_valid_one_is_taken_as_is_one_of_shards(base: Path) -> None:
    check(base)
    weights = load_file(base / WEIGHTS)
    names = {name: f"model-{ix % 2}.safetensors" for ix, name in enumerate(sorted(weights))}
    for shard in set(names.values()):
        save_file({name: weights[name] for name in weights if names[name] == shard}, base / shard, {"format": "pt"})
    (base / WEIGHTS).unlink()
    index(**names)(base)
    check(base)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_at_opening_by_name(fault: str, base: Path) -> None:
    breaking, facts = FAULTS[fault]
    breaking(base)
    before = time.monotonic()
    with pytest.raises(BadModel) as refused:
        check(base)
    assert [fact for fact in (*facts, "base") if fact not in str(refused.value)] == []
    assert "; " in str(refused.value), "a cure"
    assert time.monotonic() - before < 60, "seconds, on a busy machine"


def test_links_of_the_cache_of_the_hub_stay_in_it(valid: Path, tmp_path: Path) -> None:
    cached = tmp_path / "models--some--model"
    shutil.copytree(valid, cached / "blobs")
    snapshot = cached / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for file in valid.iterdir():
        (snapshot / file.name).symlink_to(Path("..") / ".." / "blobs" / file.name)
    check(snapshot)


def test_the_header_has_shapes_and_places(valid: Path) -> None:
    embedded = base_files.check(valid)[EMBEDDINGS]
    assert (embedded.dtype, embedded.shape, embedded.end - embedded.start) == ("F32", (300, 16), 300 * 16 * 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_one_number_among_many_is_found(tmp_path: Path, kind: type[Any], value: float) -> None:
    weights = np.zeros(1000, dtype=kind)
    save_file({"a": weights, "n": np.zeros(3, dtype=np.int64)}, tmp_path / WEIGHTS)
    base_files.check(tmp_path)
    weights[997] = value
    save_file({"a": weights}, tmp_path / WEIGHTS)
    with pytest.raises(BadModel, match="the tensor a has NaN or infinite weights"):
        base_files.check(tmp_path)
