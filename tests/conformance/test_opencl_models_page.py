"""docs/opencl-models.md says what the device takes now."""

from __future__ import annotations

import pytest

from opencl_device import TestDevice
from opencl_models_page import PAGE, page
from shared_models import needs_shared


@needs_shared
@pytest.mark.exhaustive
def test_the_page_of_models_is_up_to_date(opencl: TestDevice) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(opencl), "run python tests/conformance/opencl_models_page.py again"
