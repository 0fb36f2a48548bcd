"""Another detector: a text classification encoder in ONNX, beside the shipped classifier or instead of it.

A folder with ``model.onnx``, ``tokenizer.json`` and ``config.json`` (whose ``id2label`` names the labels), as encoders
are commonly published. The extra ``guard-onnx`` brings what runs it; both libraries are imported here, at first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from itertools import pairwise
from math import exp, isfinite, log
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from surefoot.errors import ConfigError
from surefoot.guard.detect import SUSPICIOUS, Detection, combine
from surefoot.guard.threats import Threat, ThreatClass
from surefoot.sections import GuardSettings

MAX_WINDOWS: Final = 64
"""Of a text; a longer one is judged by its beginning and its end, and the rest counts as skipped."""
BATCH: Final = 8
"""Windows in one call of the model."""
MAX_TOKENS: Final = 512
"""In a window, if the model takes so many."""
CHARS_PER_TOKEN: Final = 6
"""More than words have on average: what bounds the work of the tokenizer."""
_ATTACKS: Final = ("injection", "jailbreak", "attack", "malicious", "unsafe", "prompt_injection")
_FILES: Final = ("model.onnx", "tokenizer.json", "config.json")
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_MIN_SHARE: Final = 1e-6


class _Config(Struct):
    id2label: dict[str, str]
    max_position_embeddings: int = MAX_TOKENS


class Judged(Struct, frozen=True):
    """What an encoder makes of a text.

    Attributes:
        windows: Start, end (characters) and risk of each window that was judged, in order.
        skipped: Characters in the middle of a long text that were not.
    """

    windows: tuple[tuple[int, int, float], ...]
    skipped: int


class Encoder:
    """An encoder that is loaded; threads may share one.

    Args:
        settings: Which one, what of its labels are attacks, and how its scores are read.

    Raises:
        ConfigError: The extra is not installed, a file is missing or is none of its kind, or no label is an attack.
    """

    def __init__(self, settings: GuardSettings) -> None:
        if not 0 < settings.threshold < 1 or settings.temperature <= 0:
            raise ConfigError("guard.threshold must be above 0 and below 1, guard.temperature above 0")
        folder = Path(settings.model)
        if not folder.is_dir():
            raise ConfigError(f"guard.model: there is no folder {folder}")
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise ConfigError(f"guard.model: {folder} has no {' and no '.join(missing)}")
        config = _read_config(folder / "config.json")
        names = [config.id2label.get(str(number), "") for number in range(len(config.id2label))]
        self._attacks = _find_attacks(names, settings.labels)
        self._labels = len(names)
        self._temperature = settings.temperature
        self._threshold = settings.threshold
        self.mode: Literal["beside", "instead"] = settings.mode
        self._length = min(config.max_position_embeddings, MAX_TOKENS)
        self._tokenizer = _open_tokenizer(folder / "tokenizer.json", self._length)
        self._session = _open_session(folder / "model.onnx")
        self._inputs: list[str] = [taken.name for taken in self._session.get_inputs()]
        unknown = [name for name in self._inputs if name not in _INPUTS]
        if unknown:
            raise ConfigError(
                f"guard.model: {folder}: takes {', '.join(unknown)}; what is known is {', '.join(_INPUTS)}"
            )

    def judge(self, text: str) -> Judged:
        """Judge a text window by window, a quarter of each looked at twice; of more than `MAX_WINDOWS` not the middle.

        The risk is 0.5 at the threshold of the settings, and grows with the odds of the labels that are attacks, their
        logits divided by the temperature.

        Raises:
            ConfigError: The model or its tokenizer fails, or it does not give one number for each label.
        """
        parts = _cut(text, MAX_WINDOWS * self._length * CHARS_PER_TOKEN)
        windows: list[tuple[int, Any]] = []
        for start, part in parts:
            try:
                first = self._tokenizer.encode(part)
            except Exception as error:  # noqa: BLE001 - the library raises plain Exception
                raise ConfigError(f"guard.model: the tokenizer failed: {error}") from None
            windows += [(start, window) for window in (first, *first.overflowing)]
        kept = windows if len(windows) <= MAX_WINDOWS else windows[: MAX_WINDOWS // 2] + windows[-(MAX_WINDOWS // 2) :]
        found: list[tuple[int, int, float]] = []
        for at in range(0, len(kept), BATCH):
            batch = kept[at : at + BATCH]
            for (start, window), share in zip(batch, self._run([window for _, window in batch]), strict=True):
                spans = [span for span in window.offsets if span[0] < span[1]]
                if spans:
                    found.append((start + spans[0][0], start + spans[-1][1], self._risk(share)))
        gaps = [max(after[0] - before[1], 0) for before, after in pairwise(found)]
        is_cut = len(parts) > 1 or len(kept) < len(windows)
        return Judged(tuple(found), max(gaps, default=0) if is_cut else 0)

    def _run(self, batch: Sequence[Any]) -> list[float]:
        """The share of the attacks' labels in each window."""
        numpy = importlib.import_module("numpy")  # comes with the engine
        columns = {
            "input_ids": [window.ids for window in batch],
            "attention_mask": [window.attention_mask for window in batch],
            "token_type_ids": [window.type_ids for window in batch],
        }
        given = {name: numpy.array(columns[name], dtype=numpy.int64) for name in self._inputs}
        try:
            rows: list[Any] = self._session.run(None, given)[0].tolist()
        except Exception as error:  # noqa: BLE001 - the engine's errors share no base
            raise ConfigError(f"guard.model: the model failed: {error}") from None
        try:
            logits = msgspec.convert(rows, list[list[float]])
        except msgspec.ValidationError:
            logits = list[list[float]]([[]])
        if any(len(row) != self._labels or not all(map(isfinite, row)) for row in logits):
            raise ConfigError(f"guard.model: the model does not give one number for each of its {self._labels} labels")
        return [self._share(row) for row in logits]

    def _share(self, logits: list[float]) -> float:
        top = max(logits)
        odds = [exp((logit - top) / self._temperature) for logit in logits]
        return sum([odds[number] for number in self._attacks]) / sum(odds)

    def _risk(self, share: float) -> float:
        share = min(max(share, _MIN_SHARE), 1.0 - _MIN_SHARE)
        margin = log(share / (1.0 - share)) - log(self._threshold / (1.0 - self._threshold))
        return 1.0 / (1.0 + exp(-margin))


def judge_with(encoder: Encoder | None, found: Detection) -> Detection:
    """What was found in a text after an encoder was asked, too: the higher risk counts.

    With ``mode = "instead"`` what the shipped classifier said is dropped; phrases and marks stay.

    Raises:
        ConfigError: The model fails.
    """
    text = found.original
    if encoder is None or not text.strip():
        return found
    judged = encoder.judge(text)
    threats, risk = found.threats, found.risk
    if encoder.mode == "instead":
        threats = tuple([threat for threat in threats if threat.kind is not ThreatClass.SUSPICIOUS_WORDING])
        risk = combine(threats)
    why = "the encoder takes it for an attack"
    sure = [window for window in judged.windows if window[2] >= SUSPICIOUS]
    threats += tuple([Threat(ThreatClass.SUSPICIOUS_WORDING, *window, why) for window in sure])
    best = max([score for _, _, score in judged.windows], default=0.0)
    ordered = sorted(threats, key=lambda threat: (threat.start, threat.end, -threat.score))
    skipped = min(found.skipped + judged.skipped, len(text))
    return replace(found, threats=tuple(ordered), risk=max(risk, best), skipped=skipped)


def open_encoder(settings: GuardSettings) -> Encoder | None:
    """The encoder of the settings, None if they name none.

    Raises:
        ConfigError: See `Encoder`.
    """
    return Encoder(settings) if settings.model else None


def _cut(text: str, room: int) -> list[tuple[int, str]]:
    """The text, or its beginning and its end, each with its place: no more is given to the tokenizer."""
    half = room // 2
    return [(0, text)] if len(text) <= room else [(0, text[:half]), (len(text) - half, text[-half:])]


def _read_config(path: Path) -> _Config:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Config)
    except (msgspec.DecodeError, OSError) as error:
        shape = '{"id2label": {"0": "SAFE", "1": "INJECTION"}}'
        raise ConfigError(f"guard.model: {path}: {error}; it names the labels of the model, such as {shape}") from None


def _find_attacks(names: list[str], wanted: list[str]) -> list[int]:
    """The numbers of the labels that are attacks: those wanted, else those of well-known names."""
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ConfigError(f"guard.labels: the model has no {', '.join(unknown)}; it has {', '.join(names)}")
    found = [number for number, name in enumerate(names) if (name in wanted if wanted else name.lower() in _ATTACKS)]
    if not found or len(found) == len(names):
        raise ConfigError(f"guard.labels: name those of {', '.join(names)} that mean an attack: some, not all")
    return found


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(
            f"guard.model: {name}, which runs it, is not installed: pip install 'surefoot[guard-onnx]'"
        ) from None


def _open_tokenizer(path: Path, length: int) -> Any:
    tokenizers = _import("tokenizers")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the library raises plain Exception
        raise ConfigError(f"guard.model: {path}: is no tokenizer: {error}") from None
    tokenizer.enable_truncation(max_length=length, stride=length // 4)
    tokenizer.enable_padding()
    return tokenizer


def _open_session(path: Path) -> Any:
    onnxruntime = _import("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the engine's errors share no base
        raise ConfigError(f"guard.model: {path}: cannot be loaded: {error}") from None
