"""Which registers the emulated device has, and what they hold after power-up."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Offsets of public protocol knowledge (libedgetpu driver/config/beagle/beagle_csr_offsets.h has the names).
OMC0_00, OMC0_D4, OMC0_D8, OMC0_DC, EFUSE_00 = 0x1A000, 0x1A0D4, 0x1A0D8, 0x1A0DC, 0x1A200
SCU_CTRL_0, SCU_CTRL_2, SCU_CTRL_3, SCU_CTR_7 = 0x1A30C, 0x1A314, 0x1A318, 0x1A33C
ABM_ENABLES = (0x1A500, 0x1A600)
ERROR_RESPONSE_MASKS = (0x1A558, 0x1A658)
ERROR_RESPONSES = (0x1A540, 0x1A544, 0x1A640, 0x1A644)
RAMBIST_CTRL_1 = 0x1A704
FIFO_STATUS = (0x19018, 0x1901C, 0x19020, 0x19024)
GCBB_CREDIT0 = 0x1907C

TILE_CONFIG0, DEEP_SLEEP, IDLE_REGISTER = 0x48788, 0x40020, 0x4A000
SCALAR_RUN = 0x44018
SCALAR_RUN_CONTROLS = (SCALAR_RUN, 0x44158, 0x44198, 0x441D8, 0x44218)
TILE_RUN_CONTROLS = (0x400C0, 0x40110, 0x40150, 0x40190, 0x401D0, 0x40210, 0x40250, 0x40298, 0x402E0, 0x40328)
RUN_CONTROLS = SCALAR_RUN_CONTROLS + TILE_RUN_CONTROLS
HIB_ERROR_STATUS, HIB_ERROR_MASK, HIB_FIRST_ERROR, HIB_FIRST_TIME = 0x486F0, 0x486F8, 0x48700, 0x48708
OUTFEED_CHUNK_LENGTH, DESCR_EP, EP_STATUS_CREDIT, MULTI_BO_EP = 0x4C058, 0x4C148, 0x4C150, 0x4C160
FATAL_CONTROL, FATAL_STATUS = 0x4C060, 0x4C068
TOP_LEVEL_CONTROLS = (0x4C070, 0x4C080, 0x4C090, 0x4C0A0)
TOP_LEVEL_STATUSES = (0x4C078, 0x4C088, 0x4C098, 0x4C0A8)
HOST_CONTROLS = (0x4C0B0, 0x4C0C8, 0x4C0E0, 0x4C0F8)
HOST_STATUSES = (0x4C0B8, 0x4C0D0, 0x4C0E8, 0x4C100)
DEBUG = (
    0x44000, 0x44020, 0x44028, 0x44040, 0x44048, 0x44258, 0x44260, 0x42010, 0x42018, 0x42370,
    *range(0x44400, 0x44500, 8), *range(0x44500, 0x44540, 8), *range(0x48010, 0x48500, 8),
)  # fmt: skip

BROADCAST = 0x7F  # tileconfig0: writes reach all tiles
RUN, HALT = 1, 2
CHUNK_UNIT_BYTES = 8  # of outfeed_chunk_length

# After power-up, as hardware showed them when it was opened; what was never seen is 0.
HARDWARE: Mapping[int, int] = MappingProxyType(
    {
        OMC0_00: 0x00000001,
        OMC0_D4: 0x00000001,
        OMC0_D8: 0x00000000,
        SCU_CTRL_0: 0x000F0959,
        SCU_CTRL_2: 0x00110000,
        SCU_CTRL_3: 0x60050004,
        SCU_CTR_7: 0x000C003F,
        RAMBIST_CTRL_1: 0x0070007F,
    }
)
# Made up: other values around the same fields, so that a driver which writes constants instead of changing the bits
# that it means to change gives itself away.
OTHER: Mapping[int, int] = MappingProxyType(
    {
        OMC0_00: 0x2A000001,
        OMC0_D4: 0x01230001,
        OMC0_D8: 0x02340002,
        SCU_CTRL_0: 0x35A01F5A,
        SCU_CTRL_2: 0x50210003,
        SCU_CTRL_3: 0x600A0C05,
        SCU_CTR_7: 0x003C0015,
        RAMBIST_CTRL_1: 0x0A70015F,
    }
)

READ_ONLY = frozenset({OMC0_00, EFUSE_00, *FIFO_STATUS, *ERROR_RESPONSES, EP_STATUS_CREDIT})
ALWAYS_ON = frozenset(
    {
        OMC0_00, OMC0_D4, OMC0_D8, OMC0_DC, EFUSE_00, SCU_CTRL_0, SCU_CTRL_2, SCU_CTRL_3, SCU_CTR_7, *ABM_ENABLES,
        *ERROR_RESPONSE_MASKS, *ERROR_RESPONSES, RAMBIST_CTRL_1, *FIFO_STATUS, GCBB_CREDIT0,
    }
)  # fmt: skip
SLEEPING = frozenset(
    {
        TILE_CONFIG0, DEEP_SLEEP, IDLE_REGISTER, *RUN_CONTROLS, HIB_ERROR_STATUS, HIB_ERROR_MASK, HIB_FIRST_ERROR,
        HIB_FIRST_TIME, OUTFEED_CHUNK_LENGTH, DESCR_EP, EP_STATUS_CREDIT, MULTI_BO_EP, FATAL_CONTROL, FATAL_STATUS,
        *TOP_LEVEL_CONTROLS, *TOP_LEVEL_STATUSES, *HOST_CONTROLS, *HOST_STATUSES, *DEBUG,
    }
)  # fmt: skip
CORE_START = 0x40000  # from here on registers have 64 bits and lose power while the device sleeps


def width_of(offset: int) -> int:
    """Bytes of the register there; 0: there is none that is known."""
    if offset in ALWAYS_ON:
        return 4
    return 8 if offset in SLEEPING else 0
