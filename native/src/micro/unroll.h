// SUBGRAFT_UNROLL before a loop with few rounds: what it numbers are registers only when it is unrolled.
#pragma once

#if defined(__clang__)
#define SUBGRAFT_UNROLL _Pragma("unroll")
#else
#define SUBGRAFT_UNROLL _Pragma("GCC unroll 16")
#endif
