"""The committed document of findings is what the generator writes."""

import pytest

from benchmarks import installed_losses
from dpo_theory import adapters
from dpo_theory.adapters import shown
from dpo_theory.adapters.table import table
from tests.adapters.conftest import needed

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("library", ["torchtune", "openrlhf"])
def test_the_small_libraries_are_as_they_are_written(library):
    needed(library)
    committed = installed_losses.DOCUMENT.read_text(encoding="utf-8")
    if f"## {library} {adapters.version(library)}:" not in committed:
        pytest.skip(f"the document is of another version of {library}")
    assert shown.markdown(table(library), code=False, seconds=False).rstrip() in committed


def test_every_loss_of_the_installed_trl_has_its_line(trl_losses):
    committed = installed_losses.DOCUMENT.read_text(encoding="utf-8")
    if f"## trl {adapters.version('trl')}:" not in committed:
        pytest.skip("the document is of another version of trl")
    for name in trl_losses:
        assert f"| trl:{name}".replace("_", "\\_") in committed
