"""Options come before environment variables before defaults; what cannot be honoured is refused with the reason."""

from __future__ import annotations

import pytest

from subgraft.backends.edgetpu.settings import Settings


def test_without_a_word_everything_is_as_fast_and_as_careful_as_it_can_be() -> None:
    settings = Settings.of({}, {})
    assert (settings.performance, settings.reset, settings.verify_firmware) == ("max", "auto", True)
    assert settings == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "setting", "value"),
    [
        ("USB_TIMEOUT_MILLIS", "2500", "timeout_s", 2.5),
        ("USB_RESET_BACK_TO_DFU_MODE", "1", "always_dfu", True),
        ("USB_MAX_BULK_OUT_TRANSFER", "65536", "max_bulk_out_bytes", 65536),
        ("USB_MAX_NUM_ASYNC_TRANSFERS", "1", "async_transfers", 1),
        ("USB_FORCE_LARGEST_BULK_IN_CHUNK_SIZE", "true", "usb2_chunk_bytes", 1024),
        ("USB_FORCE_LARGEST_BULK_IN_CHUNK_SIZE", "0", "usb2_chunk_bytes", 256),
        ("USB_ENABLE_OVERLAPPING_REQUESTS", "0", "requests_in_flight", 1),
        ("USB_FAIL_IF_SLOWER_THAN_SUPERSPEED", "1", "require_superspeed", True),
    ],
)
def test_a_variable_of_libedgetpu_is_honoured(variable: str, text: str, setting: str, value: object) -> None:
    assert getattr(Settings.of({}, {variable: text}), setting) == value
    assert Settings.of({}, {variable: ""}) == Settings()


def test_an_option_comes_before_the_variable() -> None:
    settings = Settings.of({"timeout_s": "3", "performance": "Low"}, {"USB_TIMEOUT_MILLIS": "2500"})
    assert (settings.timeout_s, settings.performance) == (3.0, "low")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("USB_OPERATING_MODE", "0"),
        ("USB_OPERATING_MODE", "1"),
        ("USB_ENABLE_BULK_DESCRIPTORS_FROM_DEVICE", "1"),
        ("USB_ENABLE_PROCESSING_OF_HINTS", "0"),
        ("USB_ENABLE_QUEUED_BULK_IN_REQUESTS", "false"),
    ],
)
def test_what_this_driver_does_not_do_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is '{text}'.*unset it"):
        Settings.of({}, {variable: text})


@pytest.mark.parametrize(
    "environment",
    [
        {"USB_OPERATING_MODE": "2"},
        {"USB_ENABLE_BULK_DESCRIPTORS_FROM_DEVICE": "0"},
        {"USB_ENABLE_PROCESSING_OF_HINTS": "true"},
        {"USB_ENABLE_QUEUED_BULK_IN_REQUESTS": "1"},
        {"USB_SOFTWARE_CREDITS_LOW_LIMIT": "8192"},
        {"USB_BULK_IN_QUEUE_CAPACITY": "8"},
        {"USB_ENABLE_OVERLAPPING_BULK_IN_AND_OUT": "0"},
        {"USB_TIMEOUT_MILLIS": " "},
        {"HOME": "/root"},
    ],
)
def test_what_changes_nothing_is_taken(environment: dict[str, str]) -> None:
    assert Settings.of({}, environment) == Settings()


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ({"performance": "fast"}, {}),
        ({"reset": "yes"}, {}),
        ({"timeout_s": 0}, {}),
        ({"usb2_chunk_bytes": 512}, {}),
        ({"max_bulk_out_bytes": 0}, {}),
        ({"async_transfers": 0}, {}),
        ({"requests_in_flight": 3}, {}),
        ({"firmware_sha256": "abc"}, {}),
        ({"verify_firmware": "perhaps"}, {}),
        ({"no_such_setting": 1}, {}),
        ({}, {"USB_TIMEOUT_MILLIS": "soon"}),
        ({}, {"USB_MAX_BULK_OUT_TRANSFER": "-1"}),
        ({}, {"USB_OPERATING_MODE": "single"}),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(
    options: dict[str, object], environment: dict[str, str]
) -> None:
    name = next(iter({**options, **environment}))
    with pytest.raises(ValueError, match=name):
        Settings.of(options, environment)
