"""From a drafted model to one of the library's, compiled for a device."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subgraft import _native
from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.discovery import Found
from subgraft.backends.nnapi.draft import Draft, Operand
from subgraft.backends.nnapi.settings import Settings
from subgraft.delegates import NUMPY_DTYPES, Array, Segment
from subgraft.delegates.constants import constant

FORMAT = b"2"  # of how models are written; in every token, so a change makes all compiled ones strangers

Port = tuple[tuple[int, ...], int, bool]


@dataclass(frozen=True, slots=True)
class Compiled:
    """inputs, outputs: places among the segment's ends of what the runner reads and writes.

    constants: places of outputs that are known before any run, and what they are.
    """

    runner: _native.NnapiRunner
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: Mapping[int, Array]


def compiled(segment: Segment, draft: Draft, found: Found, settings: Settings, token: bytes) -> Compiled:
    """Raises NnapiError."""
    runner = compile_model(model_of(draft, found.library, settings.fp16), draft, found, settings, token)
    return Compiled(
        runner,
        tuple(i for i, t in enumerate(segment.inputs) if t in draft.fed),
        tuple(i for i, t in enumerate(segment.outputs) if t in draft.given),
        {i: constant(t, segment.graph) for i, t in enumerate(segment.outputs) if t not in draft.given},
    )


def model_of(draft: Draft, library: _native.NnapiLibrary, fp16: bool) -> _native.NnapiModel:
    """The model as the library has it, finished. Raises NnapiError."""
    model = _native.NnapiModel(library)
    for operand in draft.operands:
        at = _add(model, operand)
        if operand.model is not None:
            model.set_model(at, model_of(operand.model, library, False))  # the outer model's fp16 holds for both
    for operation in draft.operations:
        model.add_operation(operation.code, operation.inputs, operation.outputs)
    model.identify(draft.inputs, draft.outputs)
    if fp16 and draft.level >= codes.LEVEL_2:
        model.relax(True)
    model.finish()
    return model


def _add(model: _native.NnapiModel, operand: Operand) -> int:
    at = model.add_operand(operand.type, operand.shape, operand.scale, operand.zero_point)
    if operand.channel_scales:
        model.set_channel_scales(at, operand.channel_axis, operand.channel_scales)
    if operand.absent:
        model.set_absent(at)
    elif operand.value is not None:
        model.set_value(at, operand.value)
    return at


def compile_model(
    model: _native.NnapiModel, draft: Draft, found: Found, settings: Settings, token: bytes
) -> _native.NnapiRunner:
    """Raises NnapiError."""
    folder = _made(settings.cache_folder if settings.cache else None)
    return _native.NnapiRunner(
        model,
        found.index,
        [_port(draft, t) for t in draft.fed],
        [_port(draft, t) for t in draft.given],
        preference=codes.PREFERENCES[settings.preference],
        priority=codes.PRIORITIES[settings.priority] if found.level >= codes.LEVEL_4 else None,
        compile_timeout_s=settings.compile_timeout_s if found.level >= codes.LEVEL_4 else 0.0,
        cache_folder=folder if found.level >= codes.LEVEL_3 else b"",
        token=token,
        timeout_s=settings.timeout_s if found.level >= codes.LEVEL_4 else 0.0,
        loop_timeout_s=settings.timeout_s if found.level >= codes.LEVEL_4 else 0.0,
        bursts=settings.bursts,
        reuses=found.level >= codes.LEVEL_5,
    )


def _made(folder: Path | None) -> bytes:
    """The folder, made; empty where there is none that can be made: then the driver keeps nothing."""
    if folder is None:
        return b""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return b""
    return os.fsencode(folder)


def _port(draft: Draft, t: int) -> Port:
    tensor = draft.graph.tensors[t]
    return tensor.shape, NUMPY_DTYPES[tensor.dtype].itemsize, tensor.dtype == "int8" and draft.flips


def token_of(draft: Draft, found: Found, settings: Settings) -> bytes:
    """SHA-256 of all that a compiled model depends on, which is what the API wants for a token.

    The library adds the device's name and version, and the preference, by itself; drivers were seen to forget.
    """
    digest = hashlib.sha256()

    def add(part: bytes | memoryview) -> None:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)

    for text in (found.name, found.version, found.level, settings.fp16, settings.preference):
        add(str(text).encode("utf-8", "surrogateescape"))
    add(FORMAT)
    _add_draft(draft, add)
    return digest.digest()


def _add_draft(draft: Draft, add: Callable[[bytes | memoryview], None]) -> None:
    for operand in draft.operands:
        facts = (operand.type, operand.shape, operand.scale, operand.zero_point, operand.channel_axis, operand.absent)
        add(repr(facts).encode())
        add(np.asarray(operand.channel_scales, np.float32).tobytes())
        add(operand.value if operand.value is not None else b"")
        if operand.model is not None:
            _add_draft(operand.model, add)
    for operation in draft.operations:
        add(repr((operation.code, operation.inputs, operation.outputs)).encode())
    add(repr((draft.inputs, draft.outputs)).encode())


def cache_folder(settings: Settings, environment: Mapping[str, str]) -> Path | None:
    """Where drivers keep what they compiled; None: nowhere."""
    if not settings.cache:
        return None
    if settings.cache_folder is not None:
        return settings.cache_folder
    base = environment.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "subgraft" / "nnapi"
    except RuntimeError:
        return None  # a user without a home
