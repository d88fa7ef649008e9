/* A native executable that copies its input, and fails or hangs when told to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "subgraft.h"

typedef struct {
  subgraft_executable table;
  size_t size;
  int runs, fail_in_run, hang_in_run;
} copier;

static int run(void* self, const void* const* inputs, void* const* outputs, char* reason, size_t reason_size) {
  copier* me = self;
  ++me->runs;
  if (me->runs == me->fail_in_run) {
    snprintf(reason, reason_size, "told to fail in run %d", me->runs);
    return 1;
  }
  if (me->runs == me->hang_in_run) sleep(2);
  memcpy(outputs[0], inputs[0], me->size);
  return 0;
}

subgraft_executable* copier_create(size_t size, int fail_in_run, int hang_in_run) {
  copier* made = calloc(1, sizeof *made);
  made->table = (subgraft_executable){SUBGRAFT_EXECUTABLE_VERSION, made, run};
  made->size = size;
  made->fail_in_run = fail_in_run;
  made->hang_in_run = hang_in_run;
  return &made->table;
}

int copier_runs(subgraft_executable* made) { return ((copier*)made)->runs; }
