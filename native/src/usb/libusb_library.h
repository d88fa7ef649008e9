// libusb-1.0, loaded while the program runs: the part of its binary interface that is used here.
#pragma once

#include <sys/time.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "usb/device.h"

namespace subgraft::usb::libusb {

// Names and layouts are those of libusb.h, unchanged since libusb 1.0.9.
struct context;
struct device;
struct device_handle;

struct device_descriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint16_t bcdUSB;
  std::uint8_t bDeviceClass;
  std::uint8_t bDeviceSubClass;
  std::uint8_t bDeviceProtocol;
  std::uint8_t bMaxPacketSize0;
  std::uint16_t idVendor;
  std::uint16_t idProduct;
  std::uint16_t bcdDevice;
  std::uint8_t iManufacturer;
  std::uint8_t iProduct;
  std::uint8_t iSerialNumber;
  std::uint8_t bNumConfigurations;
};

enum transfer_type : unsigned char { kControl = 0, kBulk = 2, kInterrupt = 3 };
enum transfer_status : int { kCompleted, kError, kTimedOut, kCancelled, kStall, kNoDevice, kOverflow };
enum error : int { kSuccess = 0, kErrorNotFound = -5, kErrorInterrupted = -10 };

struct transfer {
  device_handle* dev_handle;
  std::uint8_t flags;
  unsigned char endpoint;
  unsigned char type;
  unsigned int timeout;
  transfer_status status;
  int length;
  int actual_length;
  void (*callback)(transfer*);
  void* user_data;
  unsigned char* buffer;
  int num_iso_packets;
};

// The functions, named as in libusb.h without the prefix. Those that may be null are newer than 1.0.16.
struct Library {
  int (*init)(context**);
  void (*exit)(context*);
  ssize_t (*get_device_list)(context*, device***);
  void (*free_device_list)(device**, int unref_devices);
  int (*get_device_descriptor)(device*, device_descriptor*);
  std::uint8_t (*get_bus_number)(device*);
  std::uint8_t (*get_device_address)(device*);
  int (*get_port_numbers)(device*, std::uint8_t* ports, int length);
  int (*get_device_speed)(device*);
  int (*open)(device*, device_handle**);
  void (*close)(device_handle*);
  int (*claim_interface)(device_handle*, int interface);
  int (*release_interface)(device_handle*, int interface);
  int (*clear_halt)(device_handle*, unsigned char endpoint);
  int (*reset_device)(device_handle*);
  transfer* (*alloc_transfer)(int iso_packets);
  void (*free_transfer)(transfer*);
  int (*submit_transfer)(transfer*);
  int (*cancel_transfer)(transfer*);
  int (*handle_events_timeout_completed)(context*, timeval*, int* completed);
  void (*interrupt_event_handler)(context*) = nullptr;                     // since 1.0.21
  unsigned char* (*dev_mem_alloc)(device_handle*, std::size_t) = nullptr;  // since 1.0.21
};

// path: "" for the usual names, or what SUBGRAFT_LIBUSB names. Throws Error(not_found) with every name that was tried,
// or Error(not_supported) with the functions that the library lacks. Stays loaded for good: it may own threads.
std::shared_ptr<const Library> load(const std::string& path);

// Throws for a negative code: "opening USB device 2-1.3: LIBUSB_ERROR_ACCESS".
void check(int code, const std::string& doing);

Status status_of(transfer_status status);

}  // namespace subgraft::usb::libusb
