/* A stand-in for libOpenCL that computes nothing but copies: it shows what a caller does with handles and failures.
 *
 * It answers the functions of OpenCL 1.2 that subgraft calls. A queue keeps what is put into it until somebody waits,
 * as a driver may; every object counts its references, and every misuse is counted instead of crashing. The kernel
 * "copy" copies its first argument to its second; any other name is INVALID_KERNEL_NAME. The stand_in_* functions are
 * for the test: which call is to fail, which one hangs, what is alive.
 */
#define _GNU_SOURCE
#include <stdint.h>

#include "stand_in_faults.h"

enum { MOST_COMMANDS = 8192, MOST_ARGUMENTS = 4, LIMIT = 64 };
enum {
  INVALID_VALUE = -30,
  INVALID_BINARY = -42,
  INVALID_KERNEL_NAME = -46,
  INVALID_ARG_INDEX = -49,
  INVALID_KERNEL_ARGS = -52,
};
enum { COPY_TO = 1, COPY_FROM, UNMAP, LAUNCH };

typedef struct {
  object head;
  size_t size;
  char* bytes;
} buffer;

typedef struct {
  object head;
  buffer* arguments[MOST_ARGUMENTS];
  int set;
} kernel;

typedef struct {
  int what;
  buffer* memory;
  kernel* run;
  const char* from;
  char* to;
  size_t size, offset;
} command;

typedef struct {
  object head;
  int profiles;
  size_t count;
  command commands[MOST_COMMANDS];
} queue;

static const char build_log[] = "stand-in:1:1: error: no kernel is compiled here\n";

static int give(const void* value, size_t size, size_t room, void* to, size_t* size_ret) {
  if (size_ret) *size_ret = size;
  if (to && room < size) return INVALID_VALUE;
  if (to) memcpy(to, value, size);
  return SUCCESS;
}

/* ---- contexts and queues */

int clRetainContext(object* context) {
  HEAD("clRetainContext");
  expect_alive(context, CONTEXT);
  pthread_mutex_lock(&mutex);
  ++context->references;
  pthread_mutex_unlock(&mutex);
  return SUCCESS;
}

int clReleaseContext(object* context) {
  HEAD("clReleaseContext");
  return release(context, CONTEXT);
}

void* clCreateCommandQueue(object* context, void* device, uint64_t properties, int* error) {
  MAKING_HEAD("clCreateCommandQueue");
  expect_alive(context, CONTEXT);
  expect(device != NULL);
  queue* one = (queue*)made(QUEUE, sizeof *one);
  one->profiles = properties == 2;
  return one;
}

void* clCreateCommandQueueWithProperties(object* context, void* device, const uint64_t* properties, int* error) {
  MAKING_HEAD("clCreateCommandQueueWithProperties");
  expect(properties[0] == 0x1093 && properties[2] == 0);
  return clCreateCommandQueue(context, device, properties[1], error);
}

int clReleaseCommandQueue(queue* one) {
  HEAD("clReleaseCommandQueue");
  pthread_mutex_lock(&mutex);
  expect(one->count == 0);
  pthread_mutex_unlock(&mutex);
  return release(&one->head, QUEUE);
}

static void put(queue* to, command one) {
  expect_alive(&to->head, QUEUE);
  pthread_mutex_lock(&mutex);
  if (to->count < MOST_COMMANDS) {
    to->commands[to->count++] = one;
    ++alive[COMMAND];
  }
  pthread_mutex_unlock(&mutex);
}

static void perform(const command* one) {
  if (one->memory) expect_alive(&one->memory->head, BUFFER);
  switch (one->what) {
    case COPY_TO:
      memcpy(one->memory->bytes + one->offset, one->from, one->size);
      break;
    case COPY_FROM:
      memcpy(one->to, one->memory->bytes + one->offset, one->size);
      break;
    case LAUNCH:
      expect_alive(&one->run->head, KERNEL);
      expect_alive(&one->run->arguments[0]->head, BUFFER);
      expect_alive(&one->run->arguments[1]->head, BUFFER);
      memcpy(one->run->arguments[1]->bytes, one->run->arguments[0]->bytes, one->run->arguments[1]->size);
      break;
  }
}

static void drop_all(queue* one) {
  pthread_mutex_lock(&mutex);
  alive[COMMAND] -= (long)one->count;
  one->count = 0;
  pthread_mutex_unlock(&mutex);
}

static void perform_all(queue* one) {
  pthread_mutex_lock(&mutex);
  for (size_t i = 0; i < one->count; ++i) perform(&one->commands[i]);
  drop_all(one);
  pthread_mutex_unlock(&mutex);
}

int clFlush(queue* one) {
  HEAD("clFlush");
  expect_alive(&one->head, QUEUE);
  return SUCCESS;
}

int clFinish(queue* one) {
  expect_alive(&one->head, QUEUE);
  if (lost) drop_all(one);
  HEAD("clFinish");
  perform_all(one);
  return SUCCESS;
}

/* ---- programs and kernels */

void* clCreateProgramWithSource(object* context, uint32_t count, const char** texts, const size_t* sizes, int* error) {
  MAKING_HEAD("clCreateProgramWithSource");
  expect_alive(context, CONTEXT);
  expect(count == 1 && strlen(texts[0]) == sizes[0]);
  return made(PROGRAM, sizeof(object));
}

void* clCreateProgramWithBinary(object* context, uint32_t count, void* const* devices, const size_t* sizes,
                                const unsigned char** binaries, int* status, int* error) {
  MAKING_HEAD("clCreateProgramWithBinary");
  expect_alive(context, CONTEXT);
  expect(count == 1 && devices[0] != NULL);
  *status = sizes[0] == 6 && !memcmp(binaries[0], "binary", 6) ? SUCCESS : INVALID_BINARY;
  return made(PROGRAM, sizeof(object));
}

int clBuildProgram(object* program, uint32_t count, void* const* devices, const char* options, void* notify,
                   void* data) {
  HEAD("clBuildProgram");
  expect_alive(program, PROGRAM);
  expect(count == 1 && devices[0] != NULL && options != NULL && !notify && !data);
  return SUCCESS;
}

int clGetProgramBuildInfo(object* program, void* device, uint32_t what, size_t room, void* to, size_t* size_ret) {
  HEAD("clGetProgramBuildInfo");
  expect_alive(program, PROGRAM);
  expect(device != NULL);
  return what == 0x1183 ? give(build_log, sizeof build_log, room, to, size_ret) : INVALID_VALUE;
}

int clGetProgramInfo(object* program, uint32_t what, size_t room, void* to, size_t* size_ret) {
  HEAD("clGetProgramInfo");
  expect_alive(program, PROGRAM);
  void* const devices[] = {(void*)2, (void*)1}; /* ours is 1; the other one has no binary */
  const size_t sizes[] = {0, 6};
  if (what == 0x1163) return give(devices, sizeof devices, room, to, size_ret);
  if (what == 0x1165) return give(sizes, sizeof sizes, room, to, size_ret);
  if (what != 0x1166 || room < sizeof devices) return INVALID_VALUE;
  memcpy(((char**)to)[1], "binary", 6);
  return SUCCESS;
}

int clReleaseProgram(object* program) {
  HEAD("clReleaseProgram");
  return release(program, PROGRAM);
}

void* clCreateKernel(object* program, const char* name, int* error) {
  MAKING_HEAD("clCreateKernel");
  expect_alive(program, PROGRAM);
  if (!strcmp(name, "copy")) return made(KERNEL, sizeof(kernel));
  *error = INVALID_KERNEL_NAME;
  return NULL;
}

int clSetKernelArg(kernel* one, uint32_t index, size_t size, const void* value) {
  HEAD("clSetKernelArg");
  expect_alive(&one->head, KERNEL);
  if (index >= 2) return INVALID_ARG_INDEX;
  expect(size == sizeof(buffer*));
  one->arguments[index] = *(buffer* const*)value; /* not retained, as the specification has it */
  ++one->set;
  return SUCCESS;
}

int clGetKernelInfo(kernel* one, uint32_t what, size_t room, void* to, size_t* size_ret) {
  HEAD("clGetKernelInfo");
  expect_alive(&one->head, KERNEL);
  const uint32_t arguments = 2;
  return what == 0x1191 ? give(&arguments, sizeof arguments, room, to, size_ret) : INVALID_VALUE;
}

int clGetKernelWorkGroupInfo(kernel* one, void* device, uint32_t what, size_t room, void* to, size_t* size_ret) {
  HEAD("clGetKernelWorkGroupInfo");
  expect_alive(&one->head, KERNEL);
  expect(device != NULL);
  const size_t limit = LIMIT;
  return what == 0x11B0 ? give(&limit, sizeof limit, room, to, size_ret) : INVALID_VALUE;
}

int clReleaseKernel(kernel* one) {
  HEAD("clReleaseKernel");
  return release(&one->head, KERNEL);
}

static void* made_event(const queue* of) {
  expect(of->profiles);
  return made(EVENT, sizeof(object));
}

int clEnqueueNDRangeKernel(queue* to, kernel* one, uint32_t dimensions, const size_t* offset, const size_t* global,
                           const size_t* local, uint32_t waits, void* const* wait_list, void** event) {
  HEAD("clEnqueueNDRangeKernel");
  expect_alive(&one->head, KERNEL);
  expect(dimensions == 1 && !offset && global[0] > 0 && (!local || global[0] % local[0] == 0) && !waits && !wait_list);
  if (one->set != 2) return INVALID_KERNEL_ARGS;
  put(to, (command){.what = LAUNCH, .run = one});
  if (event) *event = made_event(to);
  return SUCCESS;
}

/* ---- buffers */

void* clCreateBuffer(object* context, uint64_t flags, size_t size, void* host, int* error) {
  MAKING_HEAD("clCreateBuffer");
  expect_alive(context, CONTEXT);
  expect((flags == 1 || flags == 17) && size > 0 && !host);
  buffer* one = (buffer*)made(BUFFER, sizeof *one);
  one->size = size;
  one->bytes = calloc(1, size);
  return one;
}

int clReleaseMemObject(buffer* one) {
  HEAD("clReleaseMemObject");
  return release(&one->head, BUFFER);
}

int clEnqueueWriteBuffer(queue* to, buffer* one, uint32_t blocks, size_t offset, size_t size, const void* from,
                         uint32_t waits, void* const* wait_list, void** event) {
  HEAD("clEnqueueWriteBuffer");
  expect(!waits && !wait_list && !event && offset + size <= one->size);
  put(to, (command){.what = COPY_TO, .memory = one, .from = from, .size = size, .offset = offset});
  if (blocks) perform_all(to);
  return SUCCESS;
}

int clEnqueueReadBuffer(queue* of, buffer* one, uint32_t blocks, size_t offset, size_t size, void* to, uint32_t waits,
                        void* const* wait_list, void** event) {
  HEAD("clEnqueueReadBuffer");
  expect(!waits && !wait_list && !event && offset + size <= one->size);
  put(of, (command){.what = COPY_FROM, .memory = one, .to = to, .size = size, .offset = offset});
  if (blocks) perform_all(of);
  return SUCCESS;
}

void* clEnqueueMapBuffer(queue* of, buffer* one, uint32_t blocks, uint64_t flags, size_t offset, size_t size,
                         uint32_t waits, void* const* wait_list, void** event, int* error) {
  MAKING_HEAD("clEnqueueMapBuffer");
  expect_alive(&one->head, BUFFER);
  expect(blocks == 1 && (flags == 1 || flags == 4) && !waits && !wait_list && !event && offset + size <= one->size);
  perform_all(of);
  pthread_mutex_lock(&mutex);
  ++alive[MAPPING];
  pthread_mutex_unlock(&mutex);
  return one->bytes + offset;
}

int clEnqueueUnmapMemObject(queue* of, buffer* one, void* mapped, uint32_t waits, void* const* wait_list,
                            void** event) {
  HEAD("clEnqueueUnmapMemObject");
  expect(!waits && !wait_list && !event && (char*)mapped >= one->bytes && (char*)mapped < one->bytes + one->size);
  put(of, (command){.what = UNMAP, .memory = one});
  pthread_mutex_lock(&mutex);
  --alive[MAPPING];
  pthread_mutex_unlock(&mutex);
  return SUCCESS;
}

/* ---- events */

int clGetEventProfilingInfo(object* event, uint32_t what, size_t room, void* to, size_t* size_ret) {
  HEAD("clGetEventProfilingInfo");
  expect_alive(event, EVENT);
  const uint64_t ticks = what == 0x1282 ? 1000 : 3500; /* 2.5 us */
  return what == 0x1282 || what == 0x1283 ? give(&ticks, sizeof ticks, room, to, size_ret) : INVALID_VALUE;
}

int clReleaseEvent(object* event) {
  HEAD("clReleaseEvent");
  return release(event, EVENT);
}
