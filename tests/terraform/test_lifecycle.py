"""An installation's life against a cloud that remembers and refuses: first apply, changes, failures, the end."""

from __future__ import annotations

import pytest

from tests.terraform.conftest import Terraform
from tests.terraform.scenarios import SCENARIOS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(terraform: Terraform, name: str) -> None:
    """Each of `scenarios` ends as it should."""
    assert list(SCENARIOS[name](terraform)) == []
