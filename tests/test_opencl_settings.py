"""Options of the OpenCL delegate, as values and as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from subgraft.backends.opencl.settings import Settings


def test_options_may_be_text() -> None:
    text = {"precision": "FP16", "prefer": "offload", "tune": "fast", "tune_s": "2.5", "arena": "no", "timeout_s": "3"}
    assert Settings.of(text | {"loops": "f32, int", "limits": "small"}) == Settings(
        precision="fp16",
        prefer="offload",
        tune="fast",
        tune_s=2.5,
        arena=False,
        timeout_s=3.0,
        loops=("f32", "int"),
        limits="small",
    )


@pytest.mark.parametrize(
    "given, cache, folder",
    [("no", False, None), (False, False, None), ("true", True, None), ("/tmp/x", True, Path("/tmp/x"))],
)
def test_the_cache_is_on_off_or_a_folder(given: object, cache: bool, folder: Path | None) -> None:
    settings = Settings.of({"cache": given})
    assert (settings.cache, settings.cache_folder) == (cache, folder)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"precision": "half"}, "'precision' is 'half': write fp32 or fp16"),
        ({"prefer": ""}, "write speed or offload"),
        ({"tune": "on"}, "write off, fast or full"),
        ({"tune_s": "-1"}, "seconds above 0"),
        ({"arena": "perhaps"}, "true or false"),
        ({"limits": "huge"}, "write device or small"),
        ({"loops": "f32,dp4a"}, "names 'dp4a', which is no inner loop; there are: mma"),
        ({"timeout_s": 0}, "seconds above 0"),
        ({"cache": "~nobody-of-this-name/x"}, "of a user whose home is not known: write a path"),
        ({"speed": 11}, "no setting named 'speed'; there are: .*tune_s"),
        ({"cache_folder": "/tmp"}, "no setting named 'cache_folder'"),
    ],
)
def test_a_value_that_means_nothing_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.of(options)
