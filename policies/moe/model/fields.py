"""Fields of a model's config: one idea goes by many names, and what is said twice must agree.

References:
    Hugging Face Transformers' configuration classes; vLLM reads the number of experts under the same four names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from foresail.domain.errors import InputError

EXPERTS = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts")
EXPERTS_PER_TOKEN = (  # never `top_k`: that is how many tokens sampling looks at
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "top_k_experts",
    "moe_topk",
    "moe_top_k",
    "moe_k",
    "num_selected_experts",
)
SHARED_EXPERTS = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
SHARED_WIDTH = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "shared_intermediate_size",
)
OWN_WIDTH = ("moe_intermediate_size", "moe_ffn_hidden_size", "expert_ffn_hidden_size")
EXPERT_WIDTH = (*OWN_WIDTH, "intermediate_size", "ffn_hidden_size")  # the first: beside OWN_WIDTH the others are dense
EXPERT_HIDDEN = (
    "routed_expert_hidden_size",
    "moe_latent_size",
)  # latent experts work on fewer numbers than a token has
HIDDEN = ("hidden_size", "d_model", "n_embd")
LAYERS = ("num_hidden_layers", "n_layers", "n_layer")
HEADS = ("num_attention_heads", "n_heads", "n_head")
KV_HEADS = ("num_key_value_heads", "num_attention_groups", "kv_n_heads", "n_kv_heads", "n_head_kv")
HEAD_DIM = ("head_dim", "attention_head_dim")
GROUPS = ("n_group", "num_expert_group")
GROUPS_PER_TOKEN = ("topk_group", "num_limited_groups")
MTP_LAYERS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers")
OF_LANGUAGE = ("text_config", "llm_config", "language_config", "thinker_config")  # objects that hold a language model
PARTS = ("ffn_config", "attn_config")  # objects that hold some of its fields
MOST = 1e15  # larger numbers are slips of the keyboard; a checkpoint has some 10^12 bytes
SHARED_FIELDS = ("quantization_config", "dtype", "torch_dtype")  # may stand beside the object that they are about


@dataclass(frozen=True, slots=True)
class Fields:
    """A config, read by whatever name it uses.

    Args:
        source: The file, for messages.
        values: As parsed.
        path: Where they stand in the file, such as `text_config.`; empty at the top.
        notes: What was taken for granted, appended to as it happens.
    """

    source: str
    values: Mapping[str, Any]
    path: str = ""
    notes: list[str] = field(default_factory=list)

    def fail(self, name: str, problem: str, remedy: str) -> NoReturn:
        """Say that a field cannot be understood.

        Raises:
            InputError: Always.
        """
        raise InputError(self.source, f"{self.path}{name}", problem, value=self.values.get(name), remedy=remedy)

    def has(self, *names: str) -> bool:
        """Whether one of them says something."""
        return any(self.values.get(name) is not None for name in names)

    def whole(self, *names: str, least: int = 1) -> int:
        """A whole number, which must be there."""
        found = self.optional(*names, least=least)
        if found is None:
            self.fail(names[0], "is missing", f"give a whole number of at least {least}")
        return found

    def optional(self, *names: str, least: int = 0) -> int | None:
        """A whole number by the first of `names` that is there; None where none is.

        Raises:
            InputError: Two names say different things.
        """
        there = [name for name in names if self.values.get(name) is not None]
        found = [self._whole(name, least) for name in there]
        for name, number in zip(there, found, strict=True):
            if number != found[0]:
                self.fail(name, f"contradicts {there[0]}, which is {found[0]}", "correct one of them")
        return found[0] if found else None

    def first_of(self, *names: str, least: int = 1) -> int:
        """A whole number by the first of `names` that is there, whatever the others say."""
        there = next((name for name in names if self.has(name)), names[0])
        return self.whole(there, least=least)

    def _whole(self, name: str, least: int) -> int:
        value = self.values[name]
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            value = value[0]  # one for each layer, all alike
        if isinstance(value, list):
            self.fail(name, "differs from layer to layer", "give one number: models of uneven layers are not known")
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            self.fail(name, "is not a whole number", f"give a whole number of at least {least}")
        if value < least:
            self.fail(name, "is too small", f"give a whole number of at least {least}")
        if value > MOST:
            self.fail(name, "is too large", f"give at most {MOST:.0e}")
        return int(value)

    def whole_list(self, name: str) -> list[int] | None:
        """Whole numbers; None where there is no list."""
        value = self.values.get(name)
        if not isinstance(value, list):
            return None
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int):
                self.fail(name, f"holds {item!r}", "give whole numbers")
        return value

    def words(self, name: str) -> list[str] | None:
        """A list of words; None where there is none."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(name, "is not a list of words", "give one for each layer")
        return value

    def text(self, *names: str) -> str:
        """A word, empty where there is none."""
        return str(next((self.values[name] for name in names if self.values.get(name) is not None), ""))

    def inner(self, name: str) -> Fields | None:
        """An object inside; None where there is none."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fail(name, "is not an object", 'write {"…": …}')
        return Fields(self.source, value, f"{self.path}{name}.", self.notes)

    def of_layers(self, name: str, given: Sequence[Any], layers: int) -> None:
        """Check that a list has an item for each layer."""
        if len(given) != layers:
            self.fail(name, f"has {len(given)} layers where there are {layers}", "correct it or num_hidden_layers")


def of_language(fields: Fields) -> Fields:
    """The part of a config that describes the language model: of one that also sees or hears, it lies inside."""
    for name in OF_LANGUAGE:
        inside = fields.values.get(name)
        if isinstance(inside, Mapping):
            said = {key: value for key, value in inside.items() if value is not None}
            shared = {key: fields.values[key] for key in SHARED_FIELDS if fields.has(key)}
            return of_language(Fields(fields.source, {**shared, **said}, f"{fields.path}{name}.", fields.notes))
    parts = [fields.values[name] for name in PARTS if isinstance(fields.values.get(name), Mapping)]
    flat = {key: value for part in parts for key, value in part.items()}
    return Fields(fields.source, {**flat, **fields.values}, fields.path, fields.notes)
