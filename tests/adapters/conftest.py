"""Without TRL its tests are skipped at a desk and fail in CI."""

import os
import warnings

import pytest

for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRL_EXPERIMENTAL_SILENCE"):
    os.environ.setdefault(name, "1")


def needed(library):
    """Skip without the library, with the sentence that says how to install it; in CI fail for TRL."""
    from dpo_theory import adapters

    try:
        adapters.version(library)
    except adapters.MissingLibrary as missing:
        if library == "trl" and os.environ.get("CI"):
            pytest.fail(f"{missing} In CI the losses of TRL have to be tested.")
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def trl_losses():
    """The names of all losses of the installed TRL."""
    needed("trl")
    from dpo_theory import adapters

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return adapters.names("trl")
