"""Reads options as a user types them: text for every value."""

from collections.abc import Sequence

YES = ("1", "true", "yes", "on")
NO = ("", "0", "false", "no", "off")


def flag(name: str, value: object) -> bool:
    """Raises ValueError for what is neither yes nor no."""
    text = str(value).strip().lower()
    if text not in (*YES, *NO):
        raise ValueError(f"option {name!r} is {value!r}: write true or false")
    return text in YES


def whole(name: str, value: object) -> int:
    """Raises ValueError for what is no whole number."""
    try:
        return int(str(value), 0)
    except ValueError:
        raise ValueError(f"option {name!r} is {value!r}: write a whole number") from None


def seconds(name: str, value: object) -> float:
    """Raises ValueError for what is no number above zero."""
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not number > 0:
        raise ValueError(f"option {name!r} is {value!r}: write a number of seconds above 0")
    return number


def words(name: str, value: object) -> tuple[str, ...]:
    """A list, or one text with commas."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, Sequence | frozenset | set):
        return tuple(str(word) for word in value)
    raise ValueError(f"option {name!r} is {value!r}: write words with commas between them")
