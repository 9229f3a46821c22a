"""Which keys of a config name the versions of the software that trained. Pure.

A data set, a model and a prompt have versions too, and a simulator is an environment: those say nothing of packages.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from apps.sweeps.domain import lookup

_NAMES = (
    r"(?:py)?torch(?:vision|audio)?|(?:pytorch[_-])?lightning|transformers|tokenizers|accelerate|datasets|diffusers|peft|trl"
    r"|deepspeed|xformers|flash[_-]attn|triton|apex|timm|numpy|scipy|pandas|sklearn|scikit[_-]learn|tensorflow|keras|jax"
    r"|flax|python|cuda(?:nn|[_-]?toolkit)?|cudnn|nccl|nvidia|driver|wandb|hydra"
)
_OF_A_PACKAGE = re.compile(
    rf"(?:^|[._/-])(?:{_NAMES})[._/-]{{0,3}}versions?$|(?:^|[._/-])versions?[._/-](?:{_NAMES})$"
    rf"|(?:^|[._/-])(?:env|environment|system|software|librar(?:y|ies)|libs|frameworks?)[._/](?:{_NAMES})$"
)
_OF_ALL = re.compile(
    r"(?:^|[./])(?:(?:package|software|library|lib|env|environment)[_-]?versions|packages|requirements|pip[_-]?freeze"
    r"|conda(?:[_-](?:env|environment|list|packages))?)(?:[./]|$)"
    r"|^(?:(?:meta|metadata|env|environment|system|software|reproducibility)[./])?versions(?:[./]|$)"
)
_BARE = re.compile(rf"(?:{_NAMES})")
_VERSION = re.compile(r"v?\d+(?:\.\d+)+\S*")


def name_versions(keys: Iterable[str]) -> bool:
    """Tell whether any of these dotted keys, in lower case, is by its name that of versions of the software."""
    own = (key for key in keys if not key.startswith("_wandb"))
    return any(_OF_A_PACKAGE.search(key) or _OF_ALL.search(key) for key in own)


def packages_among(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys that are the bare name of a package: whether they hold its version only their value tells."""
    return tuple(key for key in keys if _BARE.fullmatch(key))


def any_is_version(config: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Tell whether one of these packages has a version for its value, such as ``torch: 2.9.1``."""
    return any(_VERSION.fullmatch(str(lookup(config, name))) for name in names)
