/* QEMU's firmware configuration device: how firmware learns what the board is and fetches kernels and files. */
#ifndef HW_PC_FW_CFG_H
#define HW_PC_FW_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/state.h"

enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,  /* i64, bytes below 4 GiB */
    FW_CFG_NOGRAPHIC = 0x04, /* i16 */
    FW_CFG_NB_CPUS = 0x05,   /* i16 */
    FW_CFG_MACHINE_ID = 0x06,
    FW_CFG_KERNEL_ADDR = 0x07, /* i32 */
    FW_CFG_KERNEL_SIZE = 0x08, /* i32 */
    FW_CFG_KERNEL_CMDLINE = 0x09,
    FW_CFG_INITRD_ADDR = 0x0a, /* i32 */
    FW_CFG_INITRD_SIZE = 0x0b, /* i32 */
    FW_CFG_BOOT_DEVICE = 0x0c,
    FW_CFG_NUMA = 0x0d,
    FW_CFG_BOOT_MENU = 0x0e,    /* i16 */
    FW_CFG_MAX_CPUS = 0x0f,     /* i16 */
    FW_CFG_KERNEL_ENTRY = 0x10, /* i32 */
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13, /* i32 */
    FW_CFG_CMDLINE_SIZE = 0x14, /* i32 */
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16, /* i32 */
    FW_CFG_SETUP_SIZE = 0x17, /* i32 */
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_FILE_SLOTS = 0x40,
    FW_CFG_ARCH_LOCAL = 0x8000,
    FW_CFG_ACPI_TABLES = 0x8000,
    FW_CFG_SMBIOS_ENTRIES = 0x8001,
    FW_CFG_IRQ0_OVERRIDE = 0x8002, /* i32 */
    FW_CFG_E820_TABLE = 0x8003,
    FW_CFG_HPET = 0x8004,
};

#define FW_CFG_FILE_NAME 56 /* with its zero byte */

struct fw_cfg;

/* A large item that is read when the guest wants it, again after each reset. `read` fills `out` with bytes
 * [offset, offset + len_bytes) of it; false if it cannot, after saying so once. */
struct fw_cfg_source {
    bool (*read)(void *opaque, uint32_t offset, void *out, uint32_t len_bytes);
    void *opaque;
};

/* 12 ports, mapped at 510: selector, data, DMA address. */
extern const struct bus_ops fw_cfg_ports;

/* Signature, ID and an empty directory. `bus` is where its DMA goes. NULL when out of memory. */
struct fw_cfg *fw_cfg_create(struct bus *bus);
void fw_cfg_destroy(struct fw_cfg *fw);
void fw_cfg_reset(struct fw_cfg *fw);
const struct state_desc *fw_cfg_state(void);
void fw_cfg_after_load(struct fw_cfg *fw);

/* Each sets (or replaces) the item behind a key; data is copied, integers are little-endian. False when out of memory
 * or if the key is out of range. */
bool fw_cfg_add_bytes(struct fw_cfg *fw, uint16_t key, const void *data, size_t len_bytes);
bool fw_cfg_add_source(struct fw_cfg *fw, uint16_t key, struct fw_cfg_source source, uint32_t len_bytes);
bool fw_cfg_add_string(struct fw_cfg *fw, uint16_t key, const char *text); /* with its zero byte */
bool fw_cfg_add_i16(struct fw_cfg *fw, uint16_t key, uint16_t value);
bool fw_cfg_add_i32(struct fw_cfg *fw, uint16_t key, uint32_t value);
bool fw_cfg_add_i64(struct fw_cfg *fw, uint16_t key, uint64_t value);
/* A named file ("etc/e820"); an existing one is replaced. Also false when no slot is free or the name is too long. */
bool fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, size_t len_bytes);

#endif
