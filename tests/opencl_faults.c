/* libOpenCL with faults: the real one (which this is linked with) behind functions that a test can break.
 *
 * opencl_fail(name, after, code): the function ends with `code` after so many more calls that went well; after < 0: never.
 * opencl_hold(microseconds): clFinish takes that much longer.
 * opencl_replace(from, to): in every program's source from now on; both of the same length. "" ends it.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 16, TEXT = 128 };

static struct {
  char name[TEXT];
  int after, code;
} faults[MOST];
static unsigned held;
static char replaced[TEXT], replacement[TEXT];

void opencl_fail(const char* name, int after, int code) {
  int i = 0;
  while (i < MOST - 1 && faults[i].name[0] && strcmp(faults[i].name, name) != 0) i++;
  strncpy(faults[i].name, name, TEXT - 1);
  faults[i].after = after;
  faults[i].code = code;
}

void opencl_hold(unsigned microseconds) { held = microseconds; }

void opencl_replace(const char* from, const char* to) {
  strncpy(replaced, from, TEXT - 1);
  strncpy(replacement, to, TEXT - 1);
}

static int fault(const char* name) {
  for (int i = 0; i < MOST && faults[i].name[0]; i++) {
    if (strcmp(faults[i].name, name) != 0 || faults[i].after < 0) continue;
    if (faults[i].after == 0) return faults[i].code;
    faults[i].after--;
  }
  return 0;
}

static void* real(const char* name) { return dlsym(dlopen(REAL, RTLD_NOW | RTLD_NOLOAD), name); }

#define BREAKABLE(name, parameters, arguments)                \
  int name parameters {                                       \
    static int(*call) parameters;                             \
    const int code = fault(#name);                            \
    if (code) return code;                                    \
    if (!call) call = (int(*) parameters)real(#name);         \
    return call arguments;                                    \
  }

int clFinish(void* queue) {
  static int (*call)(void*);
  const int code = fault("clFinish");
  if (held) usleep(held);
  if (code) return code;
  if (!call) call = (int (*)(void*))real("clFinish");
  return call(queue);
}

BREAKABLE(clBuildProgram,
          (void* program, uint32_t count, void* devices, const char* options, void* notify, void* data),
          (program, count, devices, options, notify, data))
BREAKABLE(clEnqueueNDRangeKernel,
          (void* queue, void* kernel, uint32_t dimensions, const size_t* offset, const size_t* global,
           const size_t* local, uint32_t count, void* waits, void* event),
          (queue, kernel, dimensions, offset, global, local, count, waits, event))

void* clCreateBuffer(void* context, uint64_t flags, size_t size, void* host, int* code) {
  static void* (*call)(void*, uint64_t, size_t, void*, int*);
  const int failed = fault("clCreateBuffer");
  if (failed) {
    if (code) *code = failed;
    return 0;
  }
  if (!call) call = (void* (*)(void*, uint64_t, size_t, void*, int*))real("clCreateBuffer");
  return call(context, flags, size, host, code);
}

void* clCreateProgramWithSource(void* context, uint32_t count, const char** texts, const size_t* lengths, int* code) {
  static void* (*call)(void*, uint32_t, const char**, const size_t*, int*);
  if (!call) call = (void* (*)(void*, uint32_t, const char**, const size_t*, int*))real("clCreateProgramWithSource");
  if (count != 1 || !replaced[0]) return call(context, count, texts, lengths, code);
  const size_t length = lengths && lengths[0] ? lengths[0] : strlen(texts[0]);
  char* changed = calloc(length + 1, 1);
  memcpy(changed, texts[0], length);
  for (char* at = changed; (at = strstr(at, replaced)); at += strlen(replaced)) memcpy(at, replacement, strlen(replaced));
  const char* given = changed;
  void* program = call(context, 1, &given, &length, code);
  free(changed);
  return program;
}
