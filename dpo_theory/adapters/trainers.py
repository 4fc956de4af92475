"""The preference losses of the installed TRL: DPOTrainer, KTOTrainer, CPOTrainer (with SimPO and AlphaPO), ORPOTrainer."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dpo_theory.adapters.adapted import Adapted, InternalsChanged, MissingLibrary
from dpo_theory.adapters.trainer import Trainer

__all__ = ["INSTALL", "installed", "load", "names", "options", "trainer"]

INSTALL = 'trl is not installed. Run: pip install "dpo-theory[trl]"'
HOMES = {
    "dpo": ("trl", "DPO"),
    "kto": ("trl", "KTO"),
    "cpo": ("trl.experimental.cpo", "CPO"),
    "orpo": ("trl.experimental.orpo", "ORPO"),
}


def installed() -> str:
    """The version of TRL.

    Raises:
        MissingLibrary: there is none.
    """
    try:
        return version("trl")
    except PackageNotFoundError:
        raise MissingLibrary(INSTALL) from None


@cache
def trainer(family: str) -> Trainer:
    """The trainer of one family, read.

    Raises:
        MissingLibrary: TRL is not installed.
        InternalsChanged: this version has no such trainer, or it is built in another way.
    """
    found = installed()
    place, prefix = HOMES[family]
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRL_EXPERIMENTAL_SILENCE"):
        os.environ.setdefault(name, "1")
    homes = (place, f"trl.experimental.{family}", f"trl.trainer.{family}_trainer", "trl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for home in dict.fromkeys(homes):
            try:
                module = import_module(home)
                made = getattr(module, f"{prefix}Trainer"), getattr(module, f"{prefix}Config")
            except (ImportError, AttributeError, RuntimeError):
                continue
            return Trainer(family, *made, found)
    raise InternalsChanged(f"trl {found} has no {prefix}Trainer that can be imported.")


def names() -> tuple[str, ...]:
    """Every loss of the installed version: `sigmoid`, `ipo`, ..., `kto`, `cpo.simpo`, `orpo`.

    Raises:
        MissingLibrary: TRL is not installed.
    """
    found: list[str] = []
    for family in HOMES:
        try:
            found += [_shown(family, kind) for kind in trainer(family).loss_types]
        except InternalsChanged:
            found.append(family)
    return tuple(found)


def load(name: str, options: Mapping[str, Any] | None = None) -> Adapted:
    """A loss of the installed TRL.

    Args:
        name: a loss type of DPOTrainer (`ipo`), or `FAMILY.TYPE` (`cpo.simpo`), or a family or type that is unique.
        options: of the trainer's config.

    Raises:
        MissingLibrary: TRL is not installed.
        Refused: TRL refuses the options.
        InternalsChanged: this version is built in another way than this adapter knows.
        ValueError: no such loss, or no such option.
    """
    family, kind = _resolved(name)
    made = trainer(family)
    target = f"trl:{_shown(family, kind)}"
    return made.loss(target, kind, dict(options or {}), partial(_remade, name))


def options(name: str) -> tuple[str, ...]:
    """The options of the config that a loss of this name may read."""
    return trainer(_resolved(name)[0]).options


def _remade(name: str, options: Mapping[str, Any]) -> Adapted:
    return load(name, options)


def _shown(family: str, kind: str) -> str:
    return kind if family == "dpo" or kind == family else f"{family}.{kind}"


def _resolved(name: str) -> tuple[str, str]:
    family, dot, kind = name.partition(".")
    if dot and family in HOMES:
        known = trainer(family).loss_types
        if kind in known:
            return family, kind
        raise ValueError(f"{HOMES[family][1]}Trainer of trl {installed()} has no loss type {kind!r}. It has {', '.join(known)}.")
    if name in HOMES and name != "dpo":
        known = trainer(name).loss_types
        return name, name if name in known else known[0]
    for family in HOMES:
        try:
            if name in trainer(family).loss_types:
                return family, name
        except InternalsChanged:
            continue
    raise ValueError(f"trl {installed()} has no loss {name!r}. It has {', '.join(names())}.")
