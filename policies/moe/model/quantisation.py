"""How numbers of a checkpoint are kept: bits, scales, and which tensors are left as they were trained.

A format belongs to a tensor, not to a model: often only routed experts are quantised, or all but attention.

References:
    OCP Microscaling Formats 1.0 (MXFP4: 4 bits, one byte for 32); NVIDIA, NVFP4 (4 bits, one byte for 16);
    DeepSeek-V3 technical report, section 3.3 (FP8 with a float for each 128 by 128); compressed-tensors; GPTQ; AWQ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from foresail.policies.moe.model.fields import Fields

PLAIN_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "half": 16, "float": 32}
UNTOUCHED = ("embed_tokens", "lm_head", "mlp.gate", "router")  # never quantised, whatever is listed


@dataclass(frozen=True, slots=True)
class Format:
    """How the numbers of a matrix are kept.

    Args:
        name: For people, such as `fp8`.
        bits: Of one number.
        scale_bits: Of one scale, with its zero point.
        block: Rows and columns that share a scale; 0: all of them. None: no scales.
        column_bits: More for each column: the order of GPTQ's groups.
    """

    name: str
    bits: float
    scale_bits: float = 0.0
    block: tuple[int, int] | None = None
    column_bits: int = 0

    def bytes_of(self, rows: int, columns: int) -> float:
        """Bytes of a matrix whose `columns` are summed over in a product."""
        high, wide = self.block or (0, 0)
        blocks = -(-rows // (high or rows)) * -(-columns // (wide or columns)) if self.block else 0
        return (rows * columns * self.bits + blocks * self.scale_bits + columns * self.column_bits) / 8


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What a checkpoint does to its tensors.

    Args:
        plain: Format of what is left alone.
        groups: Names or patterns of tensors with the format of each group; the first that fits counts.
        ignored: Names or patterns of what is left alone.
    """

    plain: Format
    groups: tuple[tuple[tuple[str, ...], Format], ...] = ()
    ignored: tuple[str, ...] = ()

    def format_of(self, tensor: str) -> Format:
        """Format of a tensor by its name without `.weight`."""
        if any(_fits(tensor, one) for one in (*UNTOUCHED, *self.ignored)):
            return self.plain
        for targets, found in self.groups:
            if any(one in ("Linear", "*") or _fits(tensor, one) for one in targets):
                return found
        return self.plain


def _fits(tensor: str, pattern: str) -> bool:
    """Whether a pattern of a config means a tensor, or a module that it is part of."""
    if pattern.startswith("re:"):
        return re.match(pattern[3:], tensor) is not None
    if "*" in pattern:
        return fnmatchcase(tensor, pattern) or fnmatchcase(tensor, f"{pattern}.*")
    return f".{pattern}." in f".{tensor}."


def read_quantisation(fields: Fields, beside: Fields | None) -> Quantisation:
    """What a config says, or the hf_quant_config.json beside it.

    Raises:
        InputError: A method is not known, so that the bytes are not.
    """
    plain = _plain(fields)
    inside = fields.inner("quantization_config") or fields.inner("compression_config")
    if beside is not None and beside.has("quantization"):
        beside = beside.inner("quantization")
    given = [one for one in (inside, beside) if one is not None and one.values]
    if not given:
        return Quantisation(plain)
    found = [Quantisation(plain, tuple(_groups(one)), tuple(_ignored(one))) for one in given]
    for one in found[1:]:
        if [form.name for _, form in one.groups] != [form.name for _, form in found[0].groups]:
            given[1].fail("quant_algo", f"contradicts quantization_config, which is {_names(found[0])}", "keep one")
    return _with_own_experts(fields, found[0])


def _names(found: Quantisation) -> str:
    return ", ".join(form.name for _, form in found.groups)


def _plain(fields: Fields) -> Format:
    named = fields.text("dtype", "torch_dtype").removeprefix("torch.")
    if not named:
        fields.notes.append("dtype is missing: taken to be bfloat16")
        named = "bfloat16"
    if named not in PLAIN_BITS:
        fields.fail("dtype" if fields.has("dtype") else "torch_dtype", "is not known", f"give {', '.join(PLAIN_BITS)}")
    return Format(named, PLAIN_BITS[named])


def _with_own_experts(fields: Fields, found: Quantisation) -> Quantisation:
    """DeepSeek-V4 keeps its routed experts in four bits beside eight for the rest, and says so in `expert_dtype`."""
    own = fields.text("expert_dtype")
    if own in ("", "fp8"):
        return found
    if own != "fp4":
        fields.fail("expert_dtype", "is not known", "give fp4 or fp8")
    return Quantisation(found.plain, ((("re:.*experts\\.0\\..*",), MXFP4), *found.groups), found.ignored)


def _ignored(given: Fields) -> Iterator[str]:
    for name in ("ignore", "modules_to_not_convert", "ignored_layers", "exclude_modules"):
        yield from given.words(name) or ()


MXFP4 = Format("mxfp4", 4, 8, (1, 32))
NVFP4 = Format("nvfp4", 4, 8, (1, 16))


def _groups(given: Fields) -> Iterator[tuple[tuple[str, ...], Format]]:
    method = given.text("quant_method").lower()
    algorithm = given.text("quant_algo").upper()
    if given.has("config_groups"):
        yield from _config_groups(given)
        return
    if algorithm == "MIXED_PRECISION":
        yield from _mixed(given)
        return
    yield ("*",), _one_format(given, method, algorithm)


def _one_format(given: Fields, method: str, algorithm: str) -> Format:
    if method in ("gptq", "awq") or algorithm in ("W4A16_AWQ", "W4A8_AWQ"):
        return _integers(given, "gptq" if method == "gptq" else "awq")
    if method == "mxfp4" or "MXFP4" in algorithm:
        return MXFP4
    if "NVFP4" in algorithm:
        return NVFP4
    if method in ("fp8", "fbgemm_fp8") or "FP8" in algorithm:
        return _fp8(given)
    return given.fail(
        "quant_algo" if algorithm else "quant_method",
        "is not known",
        "known are fp8, mxfp4, nvfp4, gptq, awq, or config_groups; leave quantization_config out where there is none",
    )


def _fp8(given: Fields) -> Format:
    block = given.whole_list("weight_block_size")
    if block is None and not given.has("weight_block_size"):
        return Format("fp8", 8, 32, (0, 0))
    if block is None or len(block) != 2 or min(block) < 1:
        given.fail("weight_block_size", "is not a block", "give rows and columns such as [128, 128]")
    return Format("fp8", 8, 32, (block[0], block[1]))


def _integers(given: Fields, name: str) -> Format:
    bits = given.optional("bits", "w_bit", least=1) or 4
    size = given.optional("group_size", least=-1) or 128
    return Format(f"{name}-int{bits}", bits, 16 + bits, (1, max(size, 0)), 32 if name == "gptq" else 0)


def _config_groups(given: Fields) -> Iterator[tuple[tuple[str, ...], Format]]:
    """Groups of compressed-tensors and of ModelOpt."""
    groups = given.inner("config_groups")
    for name in groups.values if groups is not None else ():
        group = groups.inner(name) if groups is not None else None
        weights = group.inner("weights") if group is not None else None
        if group is not None and weights is not None:
            yield tuple(group.words("targets") or ["Linear"]), _of_group(weights)


def _of_group(weights: Fields) -> Format:
    bits, size = weights.whole("num_bits"), weights.optional("group_size", least=-1) or 0
    floats = weights.text("type").startswith("float")
    name = f"fp{bits}" if floats else f"int{bits}"
    block = weights.whole_list("block_structure")
    if block is not None and len(block) == 2:
        return Format(name, bits, 16, (block[0], block[1]))
    if floats and bits == 4:
        return MXFP4 if size == 32 else NVFP4
    zero_bits = 0 if weights.values.get("symmetric", True) else bits
    if size > 0:
        return Format(f"{name}-g{size}", bits, 16 + zero_bits, (1, size))
    return Format(name, bits, 16 + zero_bits, (1, 0) if weights.text("strategy") == "channel" else (0, 0))


def _mixed(given: Fields) -> Iterator[tuple[tuple[str, ...], Format]]:
    """ModelOpt's mixture: a format for each named module."""
    layers = given.inner("quantized_layers")
    if layers is None:
        given.fail("quantized_layers", "is missing, and quant_algo is MIXED_PRECISION", "name format by layer")
    for name in layers.values:
        layer = layers.inner(name)
        if layer is not None:
            yield (name,), _one_format(layer, "", layer.text("quant_algo").upper())
