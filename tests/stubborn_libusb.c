/* A libusb-1.0 with one device that does as $STUBBORN says, and ends the process when it is misused:
   "silent": no transfer ever comes back. "late": cancelled transfers come back after 1.2 s. "echo": at once.
   "deaf": waiting for events fails. "closed": no transfer starts. "locked": the device cannot be opened. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct transfer {
  void* dev_handle;
  uint8_t flags;
  unsigned char endpoint, type;
  unsigned int timeout;
  int status, length, actual_length;
  void (*callback)(struct transfer*);
  void* user_data;
  unsigned char* buffer;
  int num_iso_packets;
};

struct slot {
  struct transfer transfer;
  int in_flight;
  double due; /* 0: never */
};

struct context { /* stands for its device and the handle, too */
  int opened;
};

enum { MOST = 64, COMPLETED = 0, CANCELLED = 3 };
static struct slot* slots[MOST];

static int is(const char* what) {
  const char* how = getenv("STUBBORN");
  return how && !strcmp(how, what);
}

static void misused(const char* how) {
  fprintf(stderr, "libusb misused: %s\n", how);
  _exit(99);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int libusb_init(struct context** context) {
  *context = calloc(1, sizeof **context);
  return 0;
}
void libusb_exit(struct context* context) {
  if (context->opened) misused("exit with a device open");
  free(context);
}
long libusb_get_device_list(struct context* context, struct context*** list) {
  *list = calloc(2, sizeof **list);
  **list = context;
  return 1;
}
void libusb_free_device_list(void** list, int unref) { free(list); }
int libusb_get_device_descriptor(void* device, uint8_t* descriptor) {
  static const uint8_t coral[18] = {18, 1, 0x10, 3, 0, 0, 0, 9, 0xd1, 0x18, 2, 0x93, 0, 1, 0, 0, 0, 1};
  memcpy(descriptor, coral, sizeof coral);
  return 0;
}
uint8_t libusb_get_bus_number(void* device) { return 3; }
uint8_t libusb_get_device_address(void* device) { return 7; }
int libusb_get_port_numbers(void* device, uint8_t* ports, int length) {
  ports[0] = 1;
  ports[1] = 4;
  return 2;
}
int libusb_get_device_speed(void* device) { return 4; }
int libusb_open(struct context* device, struct context** handle) {
  if (is("locked")) return -3;
  *handle = device;
  device->opened++;
  return 0;
}
void libusb_close(struct context* handle) {
  if (handle->opened-- <= 0) misused("closed twice");
}
int libusb_claim_interface(void* handle, int interface) { return 0; }
int libusb_release_interface(void* handle, int interface) { return 0; }
int libusb_clear_halt(void* handle, unsigned char endpoint) { return -9; }
int libusb_reset_device(void* handle) { return -5; }
struct transfer* libusb_alloc_transfer(int packets) {
  for (int i = 0; i < MOST; i++)
    if (!slots[i]) return &(slots[i] = calloc(1, sizeof **slots))->transfer;
  return NULL;
}
void libusb_free_transfer(struct transfer* transfer) {
  for (int i = 0; i < MOST; i++)
    if (slots[i] && &slots[i]->transfer == transfer) {
      if (slots[i]->in_flight) misused("a transfer is freed that has not come back");
      free(slots[i]);
      slots[i] = NULL;
    }
}
int libusb_submit_transfer(struct transfer* transfer) {
  struct slot* slot = (struct slot*)transfer;
  if (is("closed")) return -4;
  if (slot->in_flight) misused("a transfer is submitted twice");
  if (!((struct context*)transfer->dev_handle)->opened) misused("a transfer on a device that is not open");
  slot->in_flight = 1;
  slot->due = is("echo") ? now() : 0;
  transfer->status = COMPLETED;
  transfer->actual_length = transfer->length - (transfer->type ? 0 : 8);
  return 0;
}
int libusb_cancel_transfer(struct transfer* transfer) {
  struct slot* slot = (struct slot*)transfer;
  if (!slot->in_flight || transfer->status == CANCELLED) return -5;
  transfer->status = CANCELLED;
  transfer->actual_length = 0;
  if (is("late")) slot->due = now() + 1.2;
  return 0;
}
int libusb_handle_events_timeout_completed(void* context, struct timeval* timeout, int* completed) {
  double until = now() + timeout->tv_sec + timeout->tv_usec * 1e-6;
  if (is("deaf")) return -1;
  for (;;) {
    int came = 0;
    for (int i = 0; i < MOST; i++)
      if (slots[i] && slots[i]->in_flight && slots[i]->due && slots[i]->due <= now()) {
        slots[i]->in_flight = 0;
        slots[i]->transfer.callback(&slots[i]->transfer);
        came = 1;
      }
    if (came || *completed || now() >= until) return 0;
    usleep(1000);
  }
}
