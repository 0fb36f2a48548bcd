"""Train the guard's classifier: ``python training/train.py guard_train.jsonl.gz guard_dev.jsonl.gz``.

Writes ``src/surefoot/guard/classifier.bin``; the same inputs and versions (requirements.txt) give the same bytes. ``--leave-out SOURCE`` trains without a
source and only reports, which is how attacks that nobody has seen are estimated; what it reports is of the classifier alone, without the phrases. Rows are JSON with text, label (1 is an attack), source, license and,
in the second file, group; those of the second file set thresholds and are never trained on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import zlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from deeds import make_deeds
from noise import make_noise
from questions import make_questions
from sklearn.linear_model import LogisticRegression
from synthetic import make_rows

from surefoot.guard.classifier import FILE, FREE_WORDS, MAGIC
from surefoot.guard.features import FEATURES, STOPS, cap_repeats, end_sentences, list_features, list_windows
from surefoot.guard.normalize import normalize
from surefoot.guard.tokens import list_words

SEED = 20
SCALE = 1200
NOISE = 100
STRENGTH = {"user": 1.0, "tool": 2.0}
WITH_PIECES = {"user": True, "tool": False}
SMOOTHING = 2.0
NEVER = ("agentdojo", "agentdyn", "injecagent")
REPEATS = {"user": 80, "tool": 3}
PER_DOUBLING = {"user": 0.4, "tool": 0.4}
GROUPS = {"user": ("benign_prompt", "hard_benign"), "tool": ("benign_tool", "benign_text")}
FOUND = {"user": ("direct",), "tool": ("indirect",)}
WHOLE_WORDS = 160
FEW, MANY = 0.3, 3.0
PROSE = {"docs_vi", "docs_zh", "quoref", "ropes", "bipia_mail"}
NOT_FOR = {"user": ("own_indirect", "own_deeds", "own_neighbours"), "tool": ("own_direct", "own_requests")}
HERE = Path(__file__).parent


def read(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def split(text: str, channel: str) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """The features of each word, and the windows."""
    folded = normalize(text).folded
    words = list_words(folded)
    ends = end_sentences(words, folded, [place for place, word in enumerate(words) if word in STOPS])
    return list_features(words, with_pieces=WITH_PIECES[channel]), list_windows(ends)


def whole(text: str, channel: str) -> list[list[list[int]]]:
    return [split(text, channel)[0][:WHOLE_WORDS]]


def windows(text: str, channel: str) -> list[list[list[int]]]:
    rows, ranges = split(text, channel)
    return [rows[start:end] for start, end in ranges if end - start > 3]


class Rows:
    """A sparse matrix in the making."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.ends = [0]
        self.values: list[float] = []
        self.labels: list[int] = []
        self.weights: list[float] = []

    def add(self, window: list[list[int]], label: int, weight: float) -> None:
        """Add the features of a window."""
        rows = [row for word in window for row in word]
        self.indices += rows
        self.values += [1.0 / np.sqrt(len(rows) + SMOOTHING)] * len(rows)
        self.ends.append(len(self.indices))
        self.labels.append(label)
        self.weights.append(weight)

    def matrix(self) -> sp.csr_matrix:
        """All windows, one a row."""
        made = sp.csr_matrix((self.values, self.indices, self.ends), shape=(len(self.labels), FEATURES))
        made.sum_duplicates()
        return made


def gather(channel: str, train: list[dict], harmless: list[dict], left_out: set[str]) -> Rows:
    """The rows that a channel learns from.

    What a user may ask for is harmless, unless a tool returned it; attacks by users say nothing of those in data.
    """
    made = Rows()
    for row in train if channel == "user" else []:
        if row["source"] in left_out or row["source"].startswith(NEVER):
            continue
        for window in whole(row["text"], channel):
            made.add(window, int(row["label"]), 1.0)
    for text, label, source in [*make_rows(SEED, SCALE), *make_deeds(SEED, SCALE)]:
        if source in NOT_FOR[channel]:
            continue
        weight = 1.0 if channel == "user" or not label or text.isascii() else FEW
        for window in whole(text, channel):
            made.add(window, label, weight)
        if channel == "tool" and not label:
            for window in windows(text, channel):
                made.add(window, 0, 0.5)
    for text in [*make_noise(SEED, NOISE), *make_questions(SEED, 3 * SCALE)] if channel == "user" else ():
        for window in whole(text, channel):
            made.add(window, 0, FEW)
    for row in harmless:
        add_harmless(made, channel, row)
    return made


def add_harmless(made: Rows, channel: str, row: dict) -> None:
    """Add a harmless text: what users ask is no text that a tool returns."""
    if row.get("channel", channel) != channel:
        return
    is_prompt = row.get("channel") == "user"
    if is_prompt or row["source"].startswith("ui"):
        for window in whole(row["text"], channel):
            made.add(window, 0, 0.4 if channel == "tool" else 1.0)
    if not row["source"].startswith("ui"):
        weight = 0.5 if is_prompt else 1.0 if channel == "user" or "channel" in row else 0.4
        if channel == "tool" and row["source"] in PROSE:
            weight = MANY  # there is little of it beside what tools return of it
        for window in windows(row["text"], channel):
            made.add(window, 0, weight)


def fit(rows: Rows, strength: float) -> tuple[np.ndarray, float, float]:
    """Whole weights in -127..127, what 1 stands for, and the bias.

    One weight in a thousand is cut to fit. That is no loss: those are the words that only one source is known by, and
    attacks of a source that is left out are found more often than without the cut.
    """
    model = LogisticRegression(C=strength, solver="liblinear", random_state=SEED, tol=1e-3)
    model.fit(rows.matrix(), np.array(rows.labels), sample_weight=np.array(rows.weights))
    weights = model.coef_[0]
    unit = float(np.quantile(np.abs(weights[weights != 0]), 0.999) / 127)
    return np.clip(np.rint(weights / unit), -127, 127).astype(np.int8), unit, float(model.intercept_[0])


def score(table: np.ndarray, unit: float, bias: float, text: str, channel: str) -> float:
    """A document's score before the threshold, as the classifier computes it."""
    rows, ranges = split(text, channel)
    if not ranges:
        return -30.0
    sums = np.concatenate([[0], np.cumsum([int(table[row].sum(dtype=np.int64)) for row in rows])])
    counts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    start, end = np.array(ranges).T
    scores = bias + unit * (sums[end] - sums[start]) / np.sqrt(counts[end] - counts[start] + SMOOTHING)
    for place, (first, last) in enumerate(ranges):
        capped = cap_repeats(rows[first:last], REPEATS[channel])
        weight = unit * sum([int(table[row]) * count for row, count in capped.items()])
        scores[place] = min(scores[place], bias + weight / np.sqrt(sum(capped.values()) + SMOOTHING))
    return float(scores.max() - PER_DOUBLING[channel] * np.log2(max(1.0, len(rows) / FREE_WORDS)))


def report(channel: str, docs: list[dict], scores: np.ndarray, threshold: float) -> dict[str, float]:
    shares = {}
    for key in sorted({(doc["group"], doc["source"], doc["label"]) for doc in docs}):
        mine = np.array([(doc["group"], doc["source"], doc["label"]) == key for doc in docs])
        share = float((scores[mine] >= threshold).mean())
        shares["/".join(map(str, key))] = round(share, 4)
        print(
            f"{channel:5} {'TPR' if key[2] else 'FPR'} {share:6.1%} {'#' * round(share * 30):30} {key[0]} {key[1]} ({mine.sum()})",
            flush=True,
        )
    return shares


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--leave-out", action="append", default=[], help="a source not to train on; only reports")
    parser.add_argument("--channel", choices=list(GROUPS), action="append")
    options = parser.parse_args()
    train, dev, extra = read(options.train), read(options.dev), read(HERE / "data" / "harmless.jsonl.gz")
    prompts = read(HERE / "data" / "prompts.jsonl.gz")
    held = [{**row, "label": 0, "group": row["source"]} for row in extra if row["split"] == "dev"]
    head, tables, figures = {}, b"", {}
    for channel in options.channel or list(GROUPS):
        rows = gather(
            channel, train, [row for row in extra if row["split"] == "train"] + prompts, set(options.leave_out)
        )
        print(f"{channel}: {len(rows.labels)} rows, {sum(rows.labels)} attacks", flush=True)
        table, unit, bias = fit(rows, STRENGTH[channel])
        seen = (*GROUPS[channel], *FOUND[channel])
        docs = [row for row in dev if row["group"] in seen] + held
        scores = np.array([score(table, unit, bias, doc["text"], channel) for doc in docs])
        calm = np.array([doc["group"] in GROUPS[channel] for doc in docs])
        threshold = float(np.quantile(scores[calm], 0.99))
        spread = threshold - float(np.quantile(scores[calm], 0.9))
        figures[channel] = report(channel, docs, scores, threshold)
        slope = float(np.log(9) / max(spread, 0.2))  # risk 0.1 is reached by 10 % of harmless documents
        head[channel] = {
            "unit": unit,
            "bias": bias,
            "threshold": threshold,
            "per_doubling": PER_DOUBLING[channel],
            "slope": slope,
            "with_pieces": WITH_PIECES[channel],
            "repeats": REPEATS[channel],
        }
        tables += table.tobytes()
    if options.leave_out or options.channel:
        return
    data = MAGIC + json.dumps(head, sort_keys=False).encode() + b"\n" + zlib.compress(tables, 9)
    FILE.write_bytes(data)
    own = [HERE / f"{name}.py" for name in ("synthetic", "deeds", "questions", "grammar", "noise")]
    inputs = [options.train, options.dev, *sorted((HERE / "data").iterdir()), *own]
    manifest = {
        "inputs": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs},
        "output": {"classifier.bin": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
        "shares at the threshold": figures,
    }
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"wrote {FILE.name}, {len(data)} bytes")


if __name__ == "__main__":
    main()
