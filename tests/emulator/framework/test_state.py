"""What a running cloud keeps."""

from __future__ import annotations

from orchestrator.emulator.services.resource_center import ResourceCenter
from tests.emulator.wire import Cloud


def test_what_a_service_keeps_is_one_clouds_own() -> None:
    """It is made when first asked for, is the same from then on, and is not another cloud's."""
    one, other = Cloud(), Cloud()
    one.state.of(ResourceCenter).enabled = False
    assert not one.state.of(ResourceCenter).enabled
    assert other.state.of(ResourceCenter).enabled
