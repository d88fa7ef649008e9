/* What a delegate written in C or C++ gives to subgraft's native executor, inside a PyCapsule named
 * "subgraft.executable": segments then run one after the other without a Python frame in between. */
#ifndef SUBGRAFT_H_
#define SUBGRAFT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SUBGRAFT_EXECUTABLE_VERSION 1
#define SUBGRAFT_EXECUTABLE_CAPSULE "subgraft.executable"

typedef struct subgraft_executable {
  uint32_t version; /* SUBGRAFT_EXECUTABLE_VERSION */
  void* self;       /* handed to run as it is */

  /* Computes one inference. inputs and outputs point at dense tensors in the segment's order; inputs must not be
   * written. Called without the GIL, from one thread at a time. When it is not back within the
   * delegate's deadline the CPU computes the segment, and the arrays stay this call's until it returns.
   * Returns 0, or else 1 with a zero-terminated reason (UTF-8, at most reason_size bytes) in `reason`. */
  int (*run)(void* self, const void* const* inputs, void* const* outputs, char* reason, size_t reason_size);
} subgraft_executable;

#ifdef __cplusplus
}
#endif

#endif /* SUBGRAFT_H_ */
