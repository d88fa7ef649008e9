/* An OpenCL driver (ICD) of devices that are listed in $OPENCL_DRIVER and compute nothing: for tests of discovery.
 *
 * OPENCL_DRIVER: "platform;type,vendor,name,available[,extensions];type,..." with type 2 CPU, 4 GPU, 8 accelerator.
 * A device named "lost" is listed and answers nothing else.
 * The functions stand in the table at the places that the ICD specification gives them (cl_khr_icd, dispatch table).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 200, MOST_DEVICES = 8, TEXT = 256 };
enum { SUCCESS = 0, DEVICE_NOT_FOUND = -1, DEVICE_NOT_AVAILABLE = -2, INVALID_VALUE = -30, PLATFORM_NOT_FOUND = -1001 };
enum { GET_PLATFORM_INFO = 1, GET_DEVICE_IDS = 2, GET_DEVICE_INFO = 3 };

static void* table[PLACES];

struct object {
  void** dispatch;
};

struct device {
  struct object object;
  uint64_t type;
  char vendor[TEXT], name[TEXT], extensions[TEXT];
  uint32_t available;
};

static struct object platform = {table};
static char platform_name[TEXT];
static struct device devices[MOST_DEVICES];
static unsigned device_count;

static int give(const void* value, size_t size, size_t room, void* to, size_t* size_ret) {
  if (size_ret) *size_ret = size;
  if (!to) return SUCCESS;
  if (room < size) return INVALID_VALUE;
  memcpy(to, value, size);
  return SUCCESS;
}

static int give_text(const char* text, size_t room, void* to, size_t* size_ret) {
  return give(text, strlen(text) + 1, room, to, size_ret);
}

static int platform_info(void* which, uint32_t name, size_t room, void* to, size_t* size_ret) {
  (void)which;
  switch (name) {
    case 0x0900: return give_text("FULL_PROFILE", room, to, size_ret);
    case 0x0901: return give_text("OpenCL 1.2 stand-in", room, to, size_ret);
    case 0x0902: return give_text(platform_name, room, to, size_ret);
    case 0x0903: return give_text("nobody", room, to, size_ret);
    case 0x0904: return give_text("cl_khr_icd", room, to, size_ret);
    case 0x0920: return give_text("STANDIN", room, to, size_ret);
    default: return INVALID_VALUE;
  }
}

static int device_ids(void* which, uint64_t type, uint32_t room, void** to, uint32_t* count) {
  (void)which;
  (void)type;
  if (count) *count = device_count;
  for (unsigned i = 0; to && i < room && i < device_count; i++) to[i] = &devices[i];
  return device_count ? SUCCESS : DEVICE_NOT_FOUND;
}

static int device_info(struct device* device, uint32_t name, size_t room, void* to, size_t* size_ret) {
  static const size_t sizes[3] = {256, 256, 256};
  const uint32_t number = 64;
  const uint64_t many = 1 << 30, floats = 0x0e;
  const size_t group = 256;
  void* the_platform = &platform;
  if (strcmp(device->name, "lost") == 0) return DEVICE_NOT_AVAILABLE;
  switch (name) {
    case 0x1000: return give(&device->type, sizeof device->type, room, to, size_ret);
    case 0x1005: return give(sizes, sizeof sizes, room, to, size_ret);
    case 0x1004: return give(&group, sizeof group, room, to, size_ret);
    case 0x101b: return give(&floats, sizeof floats, room, to, size_ret);
    case 0x1010: case 0x101f: case 0x1023: return give(&many, sizeof many, room, to, size_ret);
    case 0x1027: return give(&device->available, sizeof device->available, room, to, size_ret);
    case 0x1028: return give(&device->available, sizeof device->available, room, to, size_ret);
    case 0x102b: return give_text(device->name, room, to, size_ret);
    case 0x102c: return give_text(device->vendor, room, to, size_ret);
    case 0x102d: return give_text("1.0", room, to, size_ret);
    case 0x102f: return give_text("OpenCL 1.2 stand-in", room, to, size_ret);
    case 0x1030: return give_text(device->extensions, room, to, size_ret);
    case 0x1031: return give(&the_platform, sizeof the_platform, room, to, size_ret);
    case 0x103d: return give_text("OpenCL C 1.2 stand-in", room, to, size_ret);
    default: return give(&number, sizeof number, room, to, size_ret);
  }
}

static void read_devices(void) {
  char text[4096] = "";
  strncpy(text, getenv("OPENCL_DRIVER") ? getenv("OPENCL_DRIVER") : "", sizeof text - 1);
  char *next = text, *part = strsep(&next, ";");
  strncpy(platform_name, part ? part : "", TEXT - 1);
  for (device_count = 0; device_count < MOST_DEVICES && (part = strsep(&next, ";")); device_count++) {
    struct device* device = &devices[device_count];
    device->object.dispatch = table;
    device->type = strtoul(strsep(&part, ","), 0, 0);
    strncpy(device->vendor, strsep(&part, ","), TEXT - 1);
    strncpy(device->name, strsep(&part, ","), TEXT - 1);
    device->available = strtoul(strsep(&part, ","), 0, 0);
    strncpy(device->extensions, part ? part : "", TEXT - 1);
  }
}

int clIcdGetPlatformIDsKHR(uint32_t room, void** to, uint32_t* count) {
  read_devices();
  table[GET_PLATFORM_INFO] = platform_info;
  table[GET_DEVICE_IDS] = device_ids;
  table[GET_DEVICE_INFO] = device_info;
  if (count) *count = platform_name[0] ? 1 : 0;
  if (to && room && platform_name[0]) to[0] = &platform;
  return platform_name[0] ? SUCCESS : PLATFORM_NOT_FOUND;
}

int clGetPlatformInfo(void* which, uint32_t name, size_t room, void* to, size_t* size_ret) {
  return platform_info(which, name, room, to, size_ret);
}

void* clGetExtensionFunctionAddress(const char* name) {
  if (strcmp(name, "clIcdGetPlatformIDsKHR") == 0) return clIcdGetPlatformIDsKHR;
  return strcmp(name, "clGetPlatformInfo") == 0 ? (void*)clGetPlatformInfo : 0;
}
