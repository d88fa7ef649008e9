"""What passes endpoint 0 when a Coral USB Accelerator is opened and closed, typed in from descriptions of the protocol.

Each line is "R32 register -> value read" or "W64 register = value written", in hexadecimal. The values are those of a
real device; two more chips with other values show which bits a driver may touch.
"""

from __future__ import annotations

from dataclasses import dataclass

PERFORMANCE = ("max", "high", "medium", "low")

# The registers' values before the first transfer, of a device that was just plugged in.
AT_POWER_ON = {
    0x1A30C: 0x000F0959,
    0x1A314: 0x00110000,
    0x1A318: 0x60050004,
    0x1A000: 0x00000001,
    0x1A0D4: 0x00000001,
    0x1A0D8: 0x00000000,
    0x1A33C: 0x000C003F,
    0x1A704: 0x0070007F,
}
# The same device after it was used and closed: gated by hardware, asleep, at full clocks.
AFTER_A_CLOSE = {
    0x1A30C: 0x000F0059,
    0x1A314: 0x00150000,
    0x1A318: 0x00C5025C,
    0x1A000: 0x00000001,
    0x1A0D4: 0x00000001,
    0x1A0D8: 0x00000000,
    0x1A33C: 0x000C003F,
    0x1A704: 0x0070007F,
}
# A chip in which every bit that a driver has no business with is set.
FULL_OF_ONES = {
    0x1A30C: 0xFFFFFFFE,
    0x1A314: 0xFFF3FFFE,
    0x1A318: 0xFF3FFCFE,
    0x1A000: 0xAB000001,
    0x1A0D4: 0x7FFFFFFE,
    0x1A0D8: 0x7FFFFFFE,
    0x1A33C: 0xFFFFFFFE,
    0x1A704: 0xFFFFFFFE,
}


@dataclass(frozen=True)
class Chip:
    """Values to start with, and what is expected of a driver for them.

    waking: scu_ctrl_3 as written to wake the chip up, by performance.
    status: the bits of scu_ctrl_3 that tell how the chip is; asleep, awake, idle (its clock gated): what they tell.
    """

    start: dict[int, int]
    before_reset: str
    waking: dict[str, int]
    after_waking: str
    gating: str
    interrupts: str
    closing: str
    status: int = 0xFFF
    asleep: int = 0x25C
    awake: int = 0x004
    idle: int = 0x00C


OPEN_TAIL_OF_RESET = """
    R64 44018 -> 0
    W64 4a000 = 1
    W64 48788 = 7f
    R64 48788 -> 7f
    W64 40020 = 1e02
"""

RUN_EVERYTHING = """
    W64 4c148 = f0
    W64 4c160 = 0
    W64 4c058 = {chunk}
    W64 44018 = 1
    W64 44158 = 1
    W64 44198 = 1
    W64 441d8 = 1
    W64 44218 = 1
    W64 48788 = 7f
    R64 48788 -> 7f
    W64 400c0 = 1
    W64 40150 = 1
    W64 40110 = 1
    W64 40250 = 1
    W64 40298 = 1
    W64 402e0 = 1
    W64 40328 = 1
    W64 40190 = 1
    W64 401d0 = 1
    W64 40210 = 1
    W64 4c060 = 1
    W64 4c070 = 1
    W64 4c080 = 1
    W64 4c090 = 1
    W64 4c0a0 = 1
"""

HALT_EVERYTHING = """
    W64 4c060 = 0
    W64 44018 = 2
    W64 44158 = 2
    W64 44198 = 2
    W64 441d8 = 2
    W64 44218 = 2
    W64 48788 = 7f
    R64 48788 -> 7f
    W64 400c0 = 2
    W64 40150 = 2
    W64 40110 = 2
    W64 40250 = 2
    W64 40298 = 2
    W64 402e0 = 2
    W64 40328 = 2
    W64 40190 = 2
    W64 401d0 = 2
    W64 40210 = 2
"""

TOP_LEVEL_INTERRUPTS_OFF = """
    W64 4c070 = 0
    W64 4c080 = 0
    W64 4c090 = 0
    W64 4c0a0 = 0
"""

BRIDGES_ON = """
    W32 1a500 = 1
    W32 1a600 = 1
    W32 1a558 = 3
    W32 1a658 = 3
"""

BRIDGES_OFF = """
    W32 1a500 = 0
    W32 1a600 = 0
    W32 1a558 = 0
    W32 1a658 = 0
"""

POWER_ON = Chip(
    start=AT_POWER_ON,
    before_reset="""
        R32 1a30c -> 000f0959
        W32 1a30c = 000f0059
        R32 1a314 -> 00110000
        R32 1a318 -> 60050004
        W32 1a318 = 60c50004
        R32 1a318 -> 60c5025c
        W32 1907c = f
        W32 1907c = 0
        R32 1a318 -> 60c5025c
    """,
    waking={"max": 0x0085025C, "high": 0x5085025C, "medium": 0x6085025C, "low": 0xF085025C},
    after_waking="R32 1a318 -> {clocks}850004",
    gating="""
        R32 1a314 -> 00110000
        W32 1a314 = 00150000
        R32 1a000 -> 00000001
    """,
    interrupts=f"""
        R32 1a0d4 -> 00000001
        W32 1a0d4 = 80000001
        R32 1a704 -> 0070007f
        W32 1a704 = 0000007f
        R32 1a33c -> 000c003f
        W32 1a33c = 0000003f
        {BRIDGES_ON}
        R32 1a0d8 -> 00000000
        W32 1a0d8 = 80000000
    """,
    closing=f"""
        {TOP_LEVEL_INTERRUPTS_OFF}
        R32 1a0d4 -> 80000001
        W32 1a0d4 = 00000001
        R32 1a704 -> 0000007f
        W32 1a704 = 0070007f
        R32 1a33c -> 0000003f
        W32 1a33c = 000c003f
        {BRIDGES_OFF}
        R32 1a0d8 -> 80000000
        W32 1a0d8 = 00000000
        {HALT_EVERYTHING}
        R32 1a318 -> {{clocks}}85000c
        W32 1a318 = {{clocks}}c5000c
        R32 1a318 -> {{clocks}}c5025c
        W32 1907c = f
        W32 1907c = 0
    """,
)

CLOSED_BEFORE = Chip(
    start=AFTER_A_CLOSE,
    before_reset="""
        R32 1a30c -> 000f0059
        W32 1a30c = 000f0059
        R32 1a314 -> 00150000
        W32 1a314 = 00190000
        R32 1a318 -> 00c5025c
    """,
    waking=POWER_ON.waking,
    after_waking="R32 1a318 -> {clocks}850004",
    gating="""
        R32 1a314 -> 00190000
        W32 1a314 = 00150000
        R32 1a000 -> 00000001
    """,
    interrupts=POWER_ON.interrupts,
    closing=POWER_ON.closing,
)

ONES = Chip(
    start=FULL_OF_ONES,
    before_reset="""
        R32 1a30c -> fffffffe
        W32 1a30c = ffffc0fe
        R32 1a314 -> fff3fffe
        R32 1a318 -> ff3ffcfe
        W32 1a318 = fffffcfe
        R32 1a318 -> fffffefe
        W32 1907c = f
        W32 1907c = 0
        R32 1a318 -> fffffefe
    """,
    waking={"max": 0x0FBFFEFE, "high": 0x5FBFFEFE, "medium": 0x6FBFFEFE, "low": 0xFFBFFEFE},
    after_waking="R32 1a318 -> {clocks_and_f}bffcfe",
    gating="""
        R32 1a314 -> fff3fffe
        W32 1a314 = fff7fffe
        R32 1a000 -> ab000001
    """,
    interrupts=f"""
        R32 1a0d4 -> 7ffffffe
        W32 1a0d4 = fffffffe
        R32 1a704 -> fffffffe
        W32 1a704 = ff8ffffe
        R32 1a33c -> fffffffe
        W32 1a33c = fff3fffe
        {BRIDGES_ON}
        R32 1a0d8 -> 7ffffffe
        W32 1a0d8 = fffffffe
    """,
    closing=f"""
        {TOP_LEVEL_INTERRUPTS_OFF}
        R32 1a0d4 -> fffffffe
        W32 1a0d4 = 7ffffffe
        R32 1a704 -> ff8ffffe
        W32 1a704 = fffffffe
        R32 1a33c -> fff3fffe
        W32 1a33c = fffffffe
        {BRIDGES_OFF}
        R32 1a0d8 -> fffffffe
        W32 1a0d8 = 7ffffffe
        {HALT_EVERYTHING}
        R32 1a318 -> {{clocks_and_f}}bffcfe
        W32 1a318 = {{clocks_and_f}}fffcfe
        R32 1a318 -> {{clocks_and_f}}fffefe
        W32 1907c = f
        W32 1907c = 0
    """,
    status=0x300,
    asleep=0x200,
    awake=0,
    idle=0,
)

CHIPS = {"power on": POWER_ON, "closed before": CLOSED_BEFORE, "full of ones": ONES}
HIGHEST_DIGIT = {"max": "0", "high": "5", "medium": "6", "low": "f"}  # of scu_ctrl_3 by performance


def opening(chip: Chip, performance: str, *, usb3: bool) -> list[str]:
    """Every register access of an open, in order."""
    text = (
        chip.before_reset
        + f"\nW32 1a318 = {chip.waking[performance]:x}\n"
        + chip.after_waking
        + OPEN_TAIL_OF_RESET
        + chip.gating
        + RUN_EVERYTHING
        + chip.interrupts
    )
    return _lines(text, performance, chunk="80" if usb3 else "20")


def closing(chip: Chip, performance: str) -> list[str]:
    """Every register access of a close, in order."""
    return _lines(chip.closing, performance)


def _lines(text: str, performance: str, chunk: str = "") -> list[str]:
    digit = HIGHEST_DIGIT[performance]
    filled = text.format(chunk=chunk, clocks=f"{digit}0", clocks_and_f=f"{digit}f")
    return [normal(line) for line in filled.splitlines() if line.strip()]


def normal(line: str) -> str:
    """One spelling of a line, without leading zeros."""
    access, register, sign, value = line.split()
    return f"{access} {int(register, 16):x} {sign} {int(value, 16):x}"


def collapsed(lines: list[str]) -> list[str]:
    """Without the earlier of repeated reads of one register: how often a driver polls is its own affair."""
    return [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if not (line.startswith("R") and line.split()[:2] == after.split()[:2])
    ]
