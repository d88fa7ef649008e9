/* A delegate's executable in C: max(x, 0) of float32. subgraft runs it without a Python frame. */
#include <stdlib.h>

#include "subgraft.h"

typedef struct {
  subgraft_executable table; /* first, so that a pointer to it is a pointer to this */
  size_t count;
} relu;

static int run(void* self, const void* const* inputs, void* const* outputs, char* reason, size_t reason_size) {
  const float* x = inputs[0];
  float* y = outputs[0];
  (void)reason, (void)reason_size; /* nothing can fail here; a device driver writes why, and returns 1 */
  for (size_t i = 0; i < ((relu*)self)->count; ++i) y[i] = x[i] > 0 ? x[i] : 0;
  return 0;
}

subgraft_executable* relu_create(size_t count) {
  relu* made = malloc(sizeof *made);
  if (!made) return NULL;
  made->table = (subgraft_executable){SUBGRAFT_EXECUTABLE_VERSION, made, run};
  made->count = count;
  return &made->table;
}

void relu_destroy(subgraft_executable* made) { free(made); }
