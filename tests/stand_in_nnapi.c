/* A stand-in for Android's libneuralnetworks.so: a test double, no driver. It keeps models, checks life cycles and
 * arguments as the real runtime does, records every call, fails on request, and asks the test for the arithmetic.
 *
 * Built for one feature level each (-DSTAND_IN_LEVEL=27 to 31, 1000006 to 1000008): what the level lacks is not there.
 * With -DSTAND_IN_SUPPORT_LIBRARY the functions are not exported but in the table of a support library. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef STAND_IN_LEVEL
#define STAND_IN_LEVEL 1000008
#endif

#ifdef STAND_IN_SUPPORT_LIBRARY
#define API static
#else
#define API __attribute__((visibility("default")))
#endif
#define CONTROL __attribute__((visibility("default")))

enum { NO_ERROR = 0, OUT_OF_MEMORY = 1, UNEXPECTED_NULL = 3, BAD_DATA = 4, BAD_STATE = 6, UNMAPPABLE = 7,
       OUTPUT_INSUFFICIENT_SIZE = 8 };
enum { TEMPORARY, CONSTANT, ABSENT, INPUT, OUTPUT, MODEL };
enum { MAX_RANK = 8, COPIED_BYTES = 128, OPERATIONS = 106, CALLS = 1 << 16 };

typedef struct {
  int32_t type;
  uint32_t dimensionCount;
  const uint32_t* dimensions;
  float scale;
  int32_t zeroPoint;
} ANeuralNetworksOperandType;

typedef struct {
  uint32_t channelDim, scaleCount;
  const float* scales;
} ANeuralNetworksSymmPerChannelQuantParams;

typedef struct ANeuralNetworksModel ANeuralNetworksModel;

typedef struct {
  int32_t type;
  uint32_t rank, dims[MAX_RANK];
  float scale;
  int32_t zero_point;
  int life;
  const void* value; /* of a constant: a copy, or the caller's bytes */
  void* copy;
  size_t length;
  uint32_t channel_dim, channel_count;
  float* channel_scales;
  const ANeuralNetworksModel* model;
} operand;

typedef struct {
  int32_t code;
  uint32_t input_count, output_count;
  uint32_t *inputs, *outputs;
} operation;

struct ANeuralNetworksModel {
  operand* operands;
  operation* operations;
  uint32_t operand_count, operation_count, input_count, output_count;
  uint32_t *inputs, *outputs;
  bool finished, relaxed, valid;
};

typedef struct {
  int32_t type;
  const char *name, *version;
} ANeuralNetworksDevice;

typedef struct {
  const ANeuralNetworksModel* model;
  const ANeuralNetworksDevice* device; /* null: the runtime chooses */
  uint32_t device_count;
  int32_t preference;
  int priority;
  uint64_t timeout;
  bool finished, caches;
  char cache_dir[256];
  uint8_t token[32];
} ANeuralNetworksCompilation;

typedef struct {
  int fd;
  uint8_t* data;
  size_t size;
} ANeuralNetworksMemory;

typedef struct {
  ANeuralNetworksCompilation* compilation;
  void** buffers; /* of inputs, then outputs */
  size_t* lengths;
  bool *is_set, computed, computing, reusable, measures;
  uint32_t (*dims)[MAX_RANK], *ranks; /* of outputs after a run */
  bool insufficient;
} ANeuralNetworksExecution;

typedef struct {
  ANeuralNetworksCompilation* compilation;
} ANeuralNetworksBurst;

typedef struct {
  int code;
} ANeuralNetworksEvent;

/* What the test asks for. */

typedef int (*check_function)(const ANeuralNetworksModel*);
typedef int (*compute_function)(const ANeuralNetworksModel*, const void* const* inputs, void* const* outputs);
typedef struct {
  char function[64];
  int kind; /* 1: return `code`; 2: sleep `seconds` first; 3: abort; 4: report success and give nothing */
  int code;
  int times; /* how often; -1: always */
  int after; /* calls that go well before */
  double seconds;
} fault;

static check_function check_model;
static compute_function compute_model;
static fault faults[16];
static int fault_count;
static bool refused[OPERATIONS], lies;
static int64_t device_level = STAND_IN_LEVEL;
static uint32_t forced_dims[MAX_RANK], forced_rank;
static int forced_output = -1;
static const char* calls[CALLS];
static _Atomic int call_count, live_objects; /* of all threads */
static char last_caching[512];
static uint64_t hardware_ns __attribute__((unused)) = 1000, driver_ns __attribute__((unused)) = 2000;

CONTROL void stand_in_reset(void) {
  fault_count = 0;
  memset(refused, 0, sizeof refused);
  lies = false;
  device_level = STAND_IN_LEVEL;
  forced_output = -1;
  call_count = 0;
}
CONTROL void stand_in_callbacks(check_function check, compute_function compute) {
  check_model = check;
  compute_model = compute;
}
CONTROL void stand_in_fault(const char* function, int kind, int code, int times, int after, double seconds) {
  fault* f = &faults[fault_count++ % 16];
  if (fault_count > 16) fault_count = 16;
  strncpy(f->function, function, sizeof f->function - 1);
  f->kind = kind;
  f->code = code;
  f->times = times;
  f->after = after;
  f->seconds = seconds;
}
CONTROL void stand_in_refuse(int operation_code) { refused[operation_code] = true; }
CONTROL void stand_in_lie(bool about_supported) { lies = about_supported; }
CONTROL void stand_in_device_level(int64_t level) { device_level = level; }
CONTROL void stand_in_output_shape(int output, uint32_t rank, const uint32_t* dims) {
  forced_output = output;
  forced_rank = rank;
  memcpy(forced_dims, dims, rank * sizeof *dims);
}
CONTROL int stand_in_call_count(void) { return call_count; }
CONTROL const char* stand_in_call(int i) { return calls[i % CALLS]; }
CONTROL int stand_in_live(void) { return live_objects; }
CONTROL const char* stand_in_cache_dir(void) { return last_caching; }

/* What the callbacks look at. */

CONTROL uint32_t stand_in_operand_count(const ANeuralNetworksModel* m) { return m->operand_count; }
CONTROL const operand* stand_in_operand(const ANeuralNetworksModel* m, uint32_t i) { return &m->operands[i]; }
CONTROL const void* stand_in_value(const ANeuralNetworksModel* m, uint32_t i) { return m->operands[i].value; }
CONTROL uint32_t stand_in_operation_count(const ANeuralNetworksModel* m) { return m->operation_count; }
CONTROL const operation* stand_in_operation(const ANeuralNetworksModel* m, uint32_t i) { return &m->operations[i]; }
CONTROL uint32_t stand_in_input_count(const ANeuralNetworksModel* m) { return m->input_count; }
CONTROL uint32_t stand_in_input(const ANeuralNetworksModel* m, uint32_t i) { return m->inputs[i]; }
CONTROL uint32_t stand_in_output_count(const ANeuralNetworksModel* m) { return m->output_count; }
CONTROL uint32_t stand_in_output(const ANeuralNetworksModel* m, uint32_t i) { return m->outputs[i]; }

/* The fault of this call, if any; aborts or sleeps by itself. */
static const fault* called(const char* function) {
  const int number = call_count++;
  if (number < CALLS) calls[number] = function;
  for (int i = 0; i < fault_count; ++i) {
    fault* f = &faults[i];
    if (strcmp(f->function, function) != 0 || f->times == 0) continue;
    if (f->after > 0) {
      --f->after;
      continue;
    }
    if (f->times > 0) --f->times;
    if (f->kind == 3) abort();
    if (f->kind == 2) usleep((useconds_t)(f->seconds * 1e6));
    return f;
  }
  return NULL;
}

#define ENTER(name)                                    \
  const fault* const f = called(#name);                \
  if (f && f->kind == 1) return f->code;               \
  const bool gives_nothing = f && f->kind == 4;        \
  (void)gives_nothing

#define REQUIRE(condition, code) \
  do {                           \
    if (!(condition)) return code; \
  } while (0)

static void* made(size_t size) {
  ++live_objects;
  return calloc(1, size);
}
static void gone(void* object) {
  if (!object) return;
  --live_objects;
  free(object);
}

/* Bytes of an element by OperandCode; 0: a type that is not known here. */
static size_t element_bytes(int32_t type) {
  static const size_t bytes[] = {4, 4, 4, 4, 4, 1, 1, 2, 2, 1, 2, 1, 2, 1, 1, 0};
  return type >= 0 && type < 16 ? bytes[type] : 0;
}
static bool is_scalar(int32_t type) { return type <= 2 || type == 6 || type == 10; }
static int type_level(int32_t type) { return type <= 5 ? 27 : type <= 13 ? 29 : 30; }
static int64_t operation_level(int32_t code) {
  if (code < 0 || code >= OPERATIONS) return INT64_MAX;
  if (code <= 28) return 27;
  if (code <= 37) return 28;
  if (code <= 94) return 29;
  if (code <= 101) return 30;
  return code <= 103 ? 1000006 : 1000007;
}
static size_t bytes_of(const operand* o) {
  size_t bytes = element_bytes(o->type);
  for (uint32_t i = 0; i < o->rank; ++i) bytes *= o->dims[i];
  return bytes;
}

/* Models. */

API int ANeuralNetworksModel_create(ANeuralNetworksModel** model) {
  ENTER(ANeuralNetworksModel_create);
  REQUIRE(model, UNEXPECTED_NULL);
  *model = NULL;
  if (gives_nothing) return NO_ERROR;
  *model = made(sizeof **model);
  return NO_ERROR;
}

API void ANeuralNetworksModel_free(ANeuralNetworksModel* model) {
  called("ANeuralNetworksModel_free");
  if (!model) return;
  for (uint32_t i = 0; i < model->operand_count; ++i) {
    free(model->operands[i].copy);
    free(model->operands[i].channel_scales);
  }
  for (uint32_t i = 0; i < model->operation_count; ++i) {
    free(model->operations[i].inputs);
    free(model->operations[i].outputs);
  }
  free(model->operands);
  free(model->operations);
  free(model->inputs);
  free(model->outputs);
  gone(model);
}

static bool has_good_quantization(const ANeuralNetworksOperandType* t) {
  switch (t->type) {
    case 5:
      return t->scale > 0 && t->zeroPoint >= 0 && t->zeroPoint <= 255;
    case 14:
      return t->scale > 0 && t->zeroPoint >= -128 && t->zeroPoint <= 127;
    case 12:
      return t->scale > 0 && t->zeroPoint >= 0 && t->zeroPoint <= 65535;
    case 7:
    case 13:
      return t->scale > 0 && t->zeroPoint == 0;
    case 4:
      return t->scale >= 0 && t->zeroPoint == 0;
    default:
      return t->scale == 0 && t->zeroPoint == 0;
  }
}

API int ANeuralNetworksModel_addOperand(ANeuralNetworksModel* model, const ANeuralNetworksOperandType* type) {
  ENTER(ANeuralNetworksModel_addOperand);
  REQUIRE(model && type, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  REQUIRE(type->type >= 0 && type->type <= 15 && type_level(type->type) <= STAND_IN_LEVEL, BAD_DATA);
  REQUIRE(type->dimensionCount <= MAX_RANK && (type->dimensionCount == 0 || type->dimensions), BAD_DATA);
  REQUIRE(!is_scalar(type->type) || type->dimensionCount == 0, BAD_DATA);
  REQUIRE(is_scalar(type->type) || type->type == 15 || type->dimensionCount > 0 || STAND_IN_LEVEL >= 29, BAD_DATA);
  REQUIRE(has_good_quantization(type), BAD_DATA);
  model->operands = realloc(model->operands, (model->operand_count + 1) * sizeof *model->operands);
  operand* o = &model->operands[model->operand_count++];
  memset(o, 0, sizeof *o);
  o->type = type->type;
  o->rank = type->dimensionCount;
  for (uint32_t i = 0; i < o->rank; ++i) o->dims[i] = type->dimensions[i];
  o->scale = type->scale;
  o->zero_point = type->zeroPoint;
  return NO_ERROR;
}

API int ANeuralNetworksModel_setOperandValue(ANeuralNetworksModel* model, int32_t index, const void* value,
                                             size_t length) {
  ENTER(ANeuralNetworksModel_setOperandValue);
  REQUIRE(model, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  REQUIRE(index >= 0 && (uint32_t)index < model->operand_count, BAD_DATA);
  operand* o = &model->operands[index];
  if (!value) {
    REQUIRE(length == 0, BAD_DATA);
    o->life = ABSENT;
    return NO_ERROR;
  }
  REQUIRE(length == bytes_of(o) && o->type != 15, BAD_DATA);
  o->life = CONSTANT;
  o->length = length;
  o->value = value;
  if (length <= COPIED_BYTES) {
    free(o->copy);
    o->copy = malloc(length ? length : 1);
    memcpy(o->copy, value, length);
    o->value = o->copy;
  }
  return NO_ERROR;
}

#if STAND_IN_LEVEL >= 29
API int ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(
    ANeuralNetworksModel* model, int32_t index, const ANeuralNetworksSymmPerChannelQuantParams* channels) {
  ENTER(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams);
  REQUIRE(model && channels, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  REQUIRE(index >= 0 && (uint32_t)index < model->operand_count, BAD_DATA);
  operand* o = &model->operands[index];
  REQUIRE(o->type == 11 && channels->channelDim < o->rank, BAD_DATA);
  REQUIRE(channels->scaleCount == o->dims[channels->channelDim], BAD_DATA);
  for (uint32_t i = 0; i < channels->scaleCount; ++i) REQUIRE(channels->scales[i] > 0, BAD_DATA);
  o->channel_dim = channels->channelDim;
  o->channel_count = channels->scaleCount;
  free(o->channel_scales);
  o->channel_scales = malloc(o->channel_count * sizeof(float));
  memcpy(o->channel_scales, channels->scales, o->channel_count * sizeof(float));
  return NO_ERROR;
}
#endif

#if STAND_IN_LEVEL >= 30
API int ANeuralNetworksModel_setOperandValueFromModel(ANeuralNetworksModel* model, int32_t index,
                                                      const ANeuralNetworksModel* value) {
  ENTER(ANeuralNetworksModel_setOperandValueFromModel);
  REQUIRE(model && value, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  REQUIRE(index >= 0 && (uint32_t)index < model->operand_count, BAD_DATA);
  REQUIRE(model->operands[index].type == 15 && value->finished && value->valid, BAD_DATA);
  model->operands[index].life = MODEL;
  model->operands[index].model = value;
  return NO_ERROR;
}
#endif

static uint32_t* copied(const uint32_t* from, uint32_t count) {
  uint32_t* to = malloc((count ? count : 1) * sizeof *to);
  memcpy(to, from, count * sizeof *to);
  return to;
}

API int ANeuralNetworksModel_addOperation(ANeuralNetworksModel* model, int32_t code, uint32_t input_count,
                                          const uint32_t* inputs, uint32_t output_count, const uint32_t* outputs) {
  ENTER(ANeuralNetworksModel_addOperation);
  REQUIRE(model && inputs && outputs, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  REQUIRE(operation_level(code) <= STAND_IN_LEVEL, BAD_DATA);
  for (uint32_t i = 0; i < input_count; ++i) REQUIRE(inputs[i] < model->operand_count, BAD_DATA);
  for (uint32_t i = 0; i < output_count; ++i) {
    REQUIRE(outputs[i] < model->operand_count, BAD_DATA);
    REQUIRE(model->operands[outputs[i]].life == TEMPORARY, BAD_DATA);
  }
  model->operations = realloc(model->operations, (model->operation_count + 1) * sizeof *model->operations);
  model->operations[model->operation_count++] =
      (operation){code, input_count, output_count, copied(inputs, input_count), copied(outputs, output_count)};
  return NO_ERROR;
}

API int ANeuralNetworksModel_identifyInputsAndOutputs(ANeuralNetworksModel* model, uint32_t input_count,
                                                      const uint32_t* inputs, uint32_t output_count,
                                                      const uint32_t* outputs) {
  ENTER(ANeuralNetworksModel_identifyInputsAndOutputs);
  REQUIRE(model && inputs && outputs, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  for (uint32_t i = 0; i < input_count; ++i)
    REQUIRE(inputs[i] < model->operand_count && model->operands[inputs[i]].life == TEMPORARY, BAD_DATA);
  for (uint32_t i = 0; i < output_count; ++i)
    REQUIRE(outputs[i] < model->operand_count && model->operands[outputs[i]].life == TEMPORARY, BAD_DATA);
  for (uint32_t i = 0; i < input_count; ++i) {
    REQUIRE(model->operands[inputs[i]].life != INPUT, BAD_DATA); /* named twice */
    model->operands[inputs[i]].life = INPUT;
  }
  for (uint32_t i = 0; i < output_count; ++i) {
    REQUIRE(model->operands[outputs[i]].life == TEMPORARY, BAD_DATA);
    model->operands[outputs[i]].life = OUTPUT;
  }
  free(model->inputs);
  free(model->outputs);
  model->inputs = copied(inputs, input_count);
  model->outputs = copied(outputs, output_count);
  model->input_count = input_count;
  model->output_count = output_count;
  return NO_ERROR;
}

#if STAND_IN_LEVEL >= 28
API int ANeuralNetworksModel_relaxComputationFloat32toFloat16(ANeuralNetworksModel* model, bool allow) {
  ENTER(ANeuralNetworksModel_relaxComputationFloat32toFloat16);
  REQUIRE(model, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  model->relaxed = allow;
  return NO_ERROR;
}
#endif

/* Every operand is written once before it is read. */
static bool is_in_order(const ANeuralNetworksModel* model) {
  bool* known = calloc(model->operand_count + 1, 1);
  bool good = true;
  for (uint32_t i = 0; i < model->operand_count; ++i)
    known[i] = model->operands[i].life != TEMPORARY && model->operands[i].life != OUTPUT;
  for (uint32_t i = 0; i < model->operation_count && good; ++i) {
    const operation* o = &model->operations[i];
    for (uint32_t j = 0; j < o->input_count; ++j) good = good && known[o->inputs[j]];
    for (uint32_t j = 0; j < o->output_count; ++j) {
      good = good && !known[o->outputs[j]];
      known[o->outputs[j]] = true;
    }
  }
  for (uint32_t i = 0; i < model->output_count; ++i) good = good && known[model->outputs[i]];
  free(known);
  return good;
}

API int ANeuralNetworksModel_finish(ANeuralNetworksModel* model) {
  ENTER(ANeuralNetworksModel_finish);
  REQUIRE(model, UNEXPECTED_NULL);
  REQUIRE(!model->finished, BAD_STATE);
  model->finished = true;
  REQUIRE(model->operation_count > 0 && model->output_count > 0 && is_in_order(model), BAD_DATA);
  for (uint32_t i = 0; i < model->operand_count; ++i)
    REQUIRE(model->operands[i].type != 11 || model->operands[i].channel_scales, BAD_DATA);
  const int code = check_model ? check_model(model) : NO_ERROR;
  model->valid = code == NO_ERROR;
  return code;
}

/* Devices. */

static const ANeuralNetworksDevice devices[] __attribute__((unused)) = {{2, "nnapi-reference", "stand-in"}, {4, "stand-in-npu", "1.0"}};

#if STAND_IN_LEVEL >= 29
API int ANeuralNetworks_getDeviceCount(uint32_t* count) {
  ENTER(ANeuralNetworks_getDeviceCount);
  REQUIRE(count, UNEXPECTED_NULL);
  *count = gives_nothing ? 0 : 2;
  return NO_ERROR;
}
API int ANeuralNetworks_getDevice(uint32_t index, const ANeuralNetworksDevice** device) {
  ENTER(ANeuralNetworks_getDevice);
  REQUIRE(device, UNEXPECTED_NULL);
  REQUIRE(index < 2, BAD_DATA);
  *device = gives_nothing ? NULL : &devices[index];
  return NO_ERROR;
}
API int ANeuralNetworksDevice_getName(const ANeuralNetworksDevice* device, const char** name) {
  ENTER(ANeuralNetworksDevice_getName);
  REQUIRE(device && name, UNEXPECTED_NULL);
  *name = gives_nothing ? NULL : device->name;
  return NO_ERROR;
}
API int ANeuralNetworksDevice_getType(const ANeuralNetworksDevice* device, int32_t* type) {
  ENTER(ANeuralNetworksDevice_getType);
  REQUIRE(device && type, UNEXPECTED_NULL);
  *type = device->type;
  return NO_ERROR;
}
API int ANeuralNetworksDevice_getVersion(const ANeuralNetworksDevice* device, const char** version) {
  ENTER(ANeuralNetworksDevice_getVersion);
  REQUIRE(device && version, UNEXPECTED_NULL);
  *version = device->version;
  return NO_ERROR;
}
API int ANeuralNetworksDevice_getFeatureLevel(const ANeuralNetworksDevice* device, int64_t* level) {
  ENTER(ANeuralNetworksDevice_getFeatureLevel);
  REQUIRE(device && level, UNEXPECTED_NULL);
  *level = device->type == 2 ? STAND_IN_LEVEL : device_level;
  return NO_ERROR;
}

static bool takes(const ANeuralNetworksDevice* device, int32_t code) {
  return device->type == 2 || (!refused[code] && operation_level(code) <= device_level);
}

API int ANeuralNetworksModel_getSupportedOperationsForDevices(const ANeuralNetworksModel* model,
                                                              const ANeuralNetworksDevice* const* chosen,
                                                              uint32_t count, bool* supported) {
  ENTER(ANeuralNetworksModel_getSupportedOperationsForDevices);
  REQUIRE(model && chosen && supported, UNEXPECTED_NULL);
  REQUIRE(model->finished && model->valid, BAD_STATE);
  REQUIRE(count > 0, BAD_DATA);
  if (gives_nothing) return NO_ERROR;
  for (uint32_t i = 0; i < model->operation_count; ++i) {
    supported[i] = lies;
    for (uint32_t d = 0; d < count; ++d) supported[i] = supported[i] || takes(chosen[d], model->operations[i].code);
  }
  return NO_ERROR;
}
#endif

/* Compilations. */

API int ANeuralNetworksCompilation_create(ANeuralNetworksModel* model, ANeuralNetworksCompilation** compilation) {
  ENTER(ANeuralNetworksCompilation_create);
  REQUIRE(model && compilation, UNEXPECTED_NULL);
  REQUIRE(model->finished && model->valid, BAD_STATE);
  *compilation = NULL;
  if (gives_nothing) return NO_ERROR;
  *compilation = made(sizeof **compilation);
  (*compilation)->model = model;
  return NO_ERROR;
}
API void ANeuralNetworksCompilation_free(ANeuralNetworksCompilation* compilation) {
  called("ANeuralNetworksCompilation_free");
  gone(compilation);
}
API int ANeuralNetworksCompilation_setPreference(ANeuralNetworksCompilation* c, int32_t preference) {
  ENTER(ANeuralNetworksCompilation_setPreference);
  REQUIRE(c, UNEXPECTED_NULL);
  REQUIRE(!c->finished, BAD_STATE);
  REQUIRE(preference >= 0 && preference <= 2, BAD_DATA);
  c->preference = preference;
  return NO_ERROR;
}
API int ANeuralNetworksCompilation_finish(ANeuralNetworksCompilation* c) {
  ENTER(ANeuralNetworksCompilation_finish);
  REQUIRE(c, UNEXPECTED_NULL);
  REQUIRE(!c->finished, BAD_STATE);
#if STAND_IN_LEVEL >= 29
  for (uint32_t i = 0; c->device && i < c->model->operation_count; ++i)
    REQUIRE(takes(c->device, c->model->operations[i].code), BAD_DATA);
#endif
  c->finished = true;
  return NO_ERROR;
}
#if STAND_IN_LEVEL >= 29
API int ANeuralNetworksCompilation_createForDevices(ANeuralNetworksModel* model,
                                                    const ANeuralNetworksDevice* const* chosen, uint32_t count,
                                                    ANeuralNetworksCompilation** compilation) {
  ENTER(ANeuralNetworksCompilation_createForDevices);
  REQUIRE(model && chosen && compilation, UNEXPECTED_NULL);
  REQUIRE(model->finished && model->valid, BAD_STATE);
  REQUIRE(count > 0 && chosen[0], BAD_DATA);
  *compilation = NULL;
  if (gives_nothing) return NO_ERROR;
  *compilation = made(sizeof **compilation);
  (*compilation)->model = model;
  (*compilation)->device = chosen[0];
  (*compilation)->device_count = count;
  return NO_ERROR;
}
API int ANeuralNetworksCompilation_setCaching(ANeuralNetworksCompilation* c, const char* dir, const uint8_t* token) {
  ENTER(ANeuralNetworksCompilation_setCaching);
  REQUIRE(c && dir && token, UNEXPECTED_NULL);
  REQUIRE(!c->finished, BAD_STATE);
  strncpy(c->cache_dir, dir, sizeof c->cache_dir - 1);
  memcpy(c->token, token, sizeof c->token);
  c->caches = true;
  char* to = last_caching;
  for (const char* p = dir; *p && to < last_caching + 256; ++p) *to++ = *p;
  *to++ = ' ';
  for (int i = 0; i < 32; ++i) {
    *to++ = "0123456789abcdef"[token[i] >> 4];
    *to++ = "0123456789abcdef"[token[i] & 15];
  }
  *to = 0;
  return NO_ERROR;
}
#endif
#if STAND_IN_LEVEL >= 30
API int ANeuralNetworksCompilation_setPriority(ANeuralNetworksCompilation* c, int priority) {
  ENTER(ANeuralNetworksCompilation_setPriority);
  REQUIRE(c, UNEXPECTED_NULL);
  REQUIRE(!c->finished, BAD_STATE);
  REQUIRE(priority == 90 || priority == 100 || priority == 110, BAD_DATA);
  c->priority = priority;
  return NO_ERROR;
}
API int ANeuralNetworksCompilation_setTimeout(ANeuralNetworksCompilation* c, uint64_t duration) {
  ENTER(ANeuralNetworksCompilation_setTimeout);
  REQUIRE(c, UNEXPECTED_NULL);
  REQUIRE(!c->finished, BAD_STATE);
  REQUIRE(c->device_count == 1, BAD_DATA);
  c->timeout = duration;
  return NO_ERROR;
}
#endif

/* Memory. */

API int ANeuralNetworksMemory_createFromFd(size_t size, int protect, int fd, size_t offset,
                                           ANeuralNetworksMemory** memory) {
  ENTER(ANeuralNetworksMemory_createFromFd);
  REQUIRE(memory, UNEXPECTED_NULL);
  *memory = NULL;
  if (gives_nothing) return NO_ERROR;
  struct stat file;
  REQUIRE(fd >= 0 && fstat(fd, &file) == 0, UNMAPPABLE);
  REQUIRE(size > 0 && offset % (size_t)getpagesize() == 0 && offset + size <= (size_t)file.st_size, BAD_DATA);
  const int own = dup(fd);
  void* data = mmap(NULL, size, protect, MAP_SHARED, own, (off_t)offset);
  if (data == MAP_FAILED) {
    close(own);
    return UNMAPPABLE;
  }
  *memory = made(sizeof **memory);
  **memory = (ANeuralNetworksMemory){own, data, size};
  return NO_ERROR;
}
API void ANeuralNetworksMemory_free(ANeuralNetworksMemory* memory) {
  called("ANeuralNetworksMemory_free");
  if (!memory) return;
  munmap(memory->data, memory->size);
  close(memory->fd);
  gone(memory);
}

/* Executions. */

API int ANeuralNetworksExecution_create(ANeuralNetworksCompilation* c, ANeuralNetworksExecution** execution) {
  ENTER(ANeuralNetworksExecution_create);
  REQUIRE(c && execution, UNEXPECTED_NULL);
  REQUIRE(c->finished, BAD_STATE);
  *execution = NULL;
  if (gives_nothing) return NO_ERROR;
  ANeuralNetworksExecution* e = made(sizeof *e);
  const uint32_t count = c->model->input_count + c->model->output_count;
  e->compilation = c;
  e->buffers = calloc(count, sizeof *e->buffers);
  e->lengths = calloc(count, sizeof *e->lengths);
  e->is_set = calloc(count, sizeof *e->is_set);
  e->dims = calloc(c->model->output_count, sizeof *e->dims);
  e->ranks = calloc(c->model->output_count, sizeof *e->ranks);
  *execution = e;
  return NO_ERROR;
}
API void ANeuralNetworksExecution_free(ANeuralNetworksExecution* e) {
  called("ANeuralNetworksExecution_free");
  if (!e) return;
  free(e->buffers);
  free(e->lengths);
  free(e->is_set);
  free(e->dims);
  free(e->ranks);
  gone(e);
}

static int set_buffer(ANeuralNetworksExecution* e, int32_t index, bool is_output,
                      const ANeuralNetworksOperandType* type, void* data, size_t length) {
  const ANeuralNetworksModel* m = e->compilation->model;
  REQUIRE(!e->computed || e->reusable, BAD_STATE);
  REQUIRE(index >= 0 && (uint32_t)index < (is_output ? m->output_count : m->input_count), BAD_DATA);
  const operand* o = &m->operands[is_output ? m->outputs[index] : m->inputs[index]];
  bool is_open = o->rank == 0 && !is_scalar(o->type);
  for (uint32_t i = 0; i < o->rank; ++i) is_open = is_open || o->dims[i] == 0;
  if (is_open && !is_output) REQUIRE(type, BAD_DATA);
  if (!is_open) REQUIRE(length == bytes_of(o), BAD_DATA);
  const uint32_t at = is_output ? m->input_count + (uint32_t)index : (uint32_t)index;
  e->buffers[at] = data;
  e->lengths[at] = length;
  e->is_set[at] = true;
  return NO_ERROR;
}
API int ANeuralNetworksExecution_setInput(ANeuralNetworksExecution* e, int32_t index,
                                          const ANeuralNetworksOperandType* type, const void* data, size_t length) {
  ENTER(ANeuralNetworksExecution_setInput);
  REQUIRE(e && (data || length == 0), UNEXPECTED_NULL);
  return set_buffer(e, index, false, type, (void*)data, length);
}
API int ANeuralNetworksExecution_setOutput(ANeuralNetworksExecution* e, int32_t index,
                                           const ANeuralNetworksOperandType* type, void* data, size_t length) {
  ENTER(ANeuralNetworksExecution_setOutput);
  REQUIRE(e && (data || length == 0), UNEXPECTED_NULL);
  return set_buffer(e, index, true, type, data, length);
}
API int ANeuralNetworksExecution_setInputFromMemory(ANeuralNetworksExecution* e, int32_t index,
                                                    const ANeuralNetworksOperandType* type,
                                                    const ANeuralNetworksMemory* memory, size_t offset,
                                                    size_t length) {
  ENTER(ANeuralNetworksExecution_setInputFromMemory);
  REQUIRE(e && memory, UNEXPECTED_NULL);
  REQUIRE(offset + length <= memory->size, BAD_DATA);
  return set_buffer(e, index, false, type, memory->data + offset, length);
}
API int ANeuralNetworksExecution_setOutputFromMemory(ANeuralNetworksExecution* e, int32_t index,
                                                     const ANeuralNetworksOperandType* type,
                                                     const ANeuralNetworksMemory* memory, size_t offset,
                                                     size_t length) {
  ENTER(ANeuralNetworksExecution_setOutputFromMemory);
  REQUIRE(e && memory, UNEXPECTED_NULL);
  REQUIRE(offset + length <= memory->size, BAD_DATA);
  return set_buffer(e, index, true, type, memory->data + offset, length);
}

static int computed(ANeuralNetworksExecution* e) {
  const ANeuralNetworksModel* m = e->compilation->model;
  REQUIRE(!e->computed || e->reusable, BAD_STATE);
  for (uint32_t i = 0; i < m->input_count + m->output_count; ++i) REQUIRE(e->is_set[i], BAD_DATA);
  e->computed = true;
  e->insufficient = false;
  for (uint32_t i = 0; i < m->output_count; ++i) {
    const operand* o = &m->operands[m->outputs[i]];
    const bool forced = (int)i == forced_output;
    e->ranks[i] = forced ? forced_rank : o->rank;
    memcpy(e->dims[i], forced ? forced_dims : o->dims, sizeof e->dims[i]);
    size_t needed = element_bytes(o->type);
    for (uint32_t d = 0; d < e->ranks[i]; ++d) needed *= e->dims[i][d];
    if (e->lengths[m->input_count + i] < needed) e->insufficient = true;
  }
  if (e->insufficient) return OUTPUT_INSUFFICIENT_SIZE;
  REQUIRE(compute_model, BAD_STATE);
  return compute_model(m, (const void* const*)e->buffers, e->buffers + m->input_count);
}

API int ANeuralNetworksExecution_startCompute(ANeuralNetworksExecution* e, ANeuralNetworksEvent** event) {
  ENTER(ANeuralNetworksExecution_startCompute);
  REQUIRE(e && event, UNEXPECTED_NULL);
  *event = NULL;
  if (gives_nothing) return NO_ERROR;
  const int code = computed(e);
  REQUIRE(code != BAD_STATE, code);
  *event = made(sizeof **event);
  (*event)->code = code;
  return NO_ERROR;
}
API int ANeuralNetworksEvent_wait(ANeuralNetworksEvent* event) {
  ENTER(ANeuralNetworksEvent_wait);
  REQUIRE(event, UNEXPECTED_NULL);
  return event->code;
}
API void ANeuralNetworksEvent_free(ANeuralNetworksEvent* event) {
  called("ANeuralNetworksEvent_free");
  gone(event);
}

#if STAND_IN_LEVEL >= 29
API int ANeuralNetworksExecution_compute(ANeuralNetworksExecution* e) {
  ENTER(ANeuralNetworksExecution_compute);
  REQUIRE(e, UNEXPECTED_NULL);
  return computed(e);
}
API int ANeuralNetworksExecution_getOutputOperandRank(ANeuralNetworksExecution* e, int32_t index, uint32_t* rank) {
  ENTER(ANeuralNetworksExecution_getOutputOperandRank);
  REQUIRE(e && rank, UNEXPECTED_NULL);
  REQUIRE(index >= 0 && (uint32_t)index < e->compilation->model->output_count, BAD_DATA);
  *rank = e->ranks[index];
  return e->insufficient ? OUTPUT_INSUFFICIENT_SIZE : NO_ERROR;
}
API int ANeuralNetworksExecution_getOutputOperandDimensions(ANeuralNetworksExecution* e, int32_t index,
                                                            uint32_t* dims) {
  ENTER(ANeuralNetworksExecution_getOutputOperandDimensions);
  REQUIRE(e && dims, UNEXPECTED_NULL);
  REQUIRE(index >= 0 && (uint32_t)index < e->compilation->model->output_count, BAD_DATA);
  memcpy(dims, e->dims[index], e->ranks[index] * sizeof *dims);
  return e->insufficient ? OUTPUT_INSUFFICIENT_SIZE : NO_ERROR;
}
API int ANeuralNetworksBurst_create(ANeuralNetworksCompilation* c, ANeuralNetworksBurst** burst) {
  ENTER(ANeuralNetworksBurst_create);
  REQUIRE(c && burst, UNEXPECTED_NULL);
  REQUIRE(c->finished, BAD_STATE);
  *burst = NULL;
  if (gives_nothing) return NO_ERROR;
  *burst = made(sizeof **burst);
  (*burst)->compilation = c;
  return NO_ERROR;
}
API void ANeuralNetworksBurst_free(ANeuralNetworksBurst* burst) {
  called("ANeuralNetworksBurst_free");
  gone(burst);
}
API int ANeuralNetworksExecution_burstCompute(ANeuralNetworksExecution* e, ANeuralNetworksBurst* burst) {
  ENTER(ANeuralNetworksExecution_burstCompute);
  REQUIRE(e && burst, UNEXPECTED_NULL);
  REQUIRE(e->compilation == burst->compilation, BAD_DATA);
  return computed(e);
}
API int ANeuralNetworksExecution_setMeasureTiming(ANeuralNetworksExecution* e, bool measure) {
  ENTER(ANeuralNetworksExecution_setMeasureTiming);
  REQUIRE(e, UNEXPECTED_NULL);
  REQUIRE(!e->computed, BAD_STATE);
  REQUIRE(e->compilation->device_count == 1, BAD_DATA);
  e->measures = measure;
  return NO_ERROR;
}
API int ANeuralNetworksExecution_getDuration(const ANeuralNetworksExecution* e, int32_t code, uint64_t* duration) {
  ENTER(ANeuralNetworksExecution_getDuration);
  REQUIRE(e && duration, UNEXPECTED_NULL);
  REQUIRE(e->computed, BAD_STATE);
  REQUIRE(code >= 0 && code <= 3, BAD_DATA);
  *duration = !e->measures ? UINT64_MAX : code == 0 ? hardware_ns : driver_ns;
  return NO_ERROR;
}
#endif

#if STAND_IN_LEVEL >= 30
API int ANeuralNetworksExecution_setTimeout(ANeuralNetworksExecution* e, uint64_t duration) {
  ENTER(ANeuralNetworksExecution_setTimeout);
  (void)duration;
  REQUIRE(e, UNEXPECTED_NULL);
  REQUIRE(!e->computed, BAD_STATE);
  REQUIRE(e->compilation->device_count == 1, BAD_DATA);
  return NO_ERROR;
}
API int ANeuralNetworksExecution_setLoopTimeout(ANeuralNetworksExecution* e, uint64_t duration) {
  ENTER(ANeuralNetworksExecution_setLoopTimeout);
  (void)duration;
  REQUIRE(e, UNEXPECTED_NULL);
  return e->computed ? BAD_STATE : NO_ERROR;
}
#endif

#if STAND_IN_LEVEL >= 31
API int64_t ANeuralNetworks_getRuntimeFeatureLevel(void) {
  called("ANeuralNetworks_getRuntimeFeatureLevel");
  return STAND_IN_LEVEL;
}
API int ANeuralNetworksExecution_setReusable(ANeuralNetworksExecution* e, bool reusable) {
  ENTER(ANeuralNetworksExecution_setReusable);
  REQUIRE(e, UNEXPECTED_NULL);
  REQUIRE(!e->computed, BAD_STATE);
  e->reusable = reusable;
  return NO_ERROR;
}
#endif

#ifdef STAND_IN_SUPPORT_LIBRARY
/* The table of a support library, in the order of NnApiSLDriverImplFL5. */
CONTROL const void* ANeuralNetworks_getSLDriverImpl(void) {
  static struct {
    int64_t level;
    void* functions[71];
  } table;
  void* const functions[] = {
      ANeuralNetworksBurst_create,
      ANeuralNetworksBurst_free,
      ANeuralNetworksCompilation_createForDevices,
      ANeuralNetworksCompilation_finish,
      ANeuralNetworksCompilation_free,
      NULL,
      NULL,
      NULL,
      NULL,
      ANeuralNetworksCompilation_setCaching,
      ANeuralNetworksCompilation_setPreference,
      ANeuralNetworksCompilation_setPriority,
      ANeuralNetworksCompilation_setTimeout,
      NULL,
      ANeuralNetworksDevice_getFeatureLevel,
      ANeuralNetworksDevice_getName,
      ANeuralNetworksDevice_getType,
      ANeuralNetworksDevice_getVersion,
      NULL,
      NULL,
      ANeuralNetworksEvent_free,
      NULL,
      ANeuralNetworksEvent_wait,
      ANeuralNetworksExecution_burstCompute,
      ANeuralNetworksExecution_compute,
      ANeuralNetworksExecution_create,
      NULL,
      ANeuralNetworksExecution_free,
      ANeuralNetworksExecution_getDuration,
      ANeuralNetworksExecution_getOutputOperandDimensions,
      ANeuralNetworksExecution_getOutputOperandRank,
      ANeuralNetworksExecution_setInput,
      ANeuralNetworksExecution_setInputFromMemory,
      ANeuralNetworksExecution_setLoopTimeout,
      ANeuralNetworksExecution_setMeasureTiming,
      ANeuralNetworksExecution_setOutput,
      ANeuralNetworksExecution_setOutputFromMemory,
      ANeuralNetworksExecution_setReusable,
      ANeuralNetworksExecution_setTimeout,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      ANeuralNetworksMemory_createFromFd,
      ANeuralNetworksMemory_free,
      ANeuralNetworksModel_addOperand,
      ANeuralNetworksModel_addOperation,
      ANeuralNetworksModel_create,
      ANeuralNetworksModel_finish,
      ANeuralNetworksModel_free,
      NULL,
      NULL,
      ANeuralNetworksModel_getSupportedOperationsForDevices,
      ANeuralNetworksModel_identifyInputsAndOutputs,
      ANeuralNetworksModel_relaxComputationFloat32toFloat16,
      NULL,
      ANeuralNetworksModel_setOperandSymmPerChannelQuantParams,
      ANeuralNetworksModel_setOperandValue,
      NULL,
      ANeuralNetworksModel_setOperandValueFromModel,
      NULL,
      ANeuralNetworks_getDevice,
      ANeuralNetworks_getDeviceCount,
      NULL,
      ANeuralNetworks_getRuntimeFeatureLevel,
  };
  table.level = STAND_IN_LEVEL;
  memcpy(table.functions, functions, sizeof functions);
  return &table;
}
#endif
