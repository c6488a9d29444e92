/*
 * VMware's pointing device behind the backdoor port: it tells the guest where the pointer is, not only how far it has
 * moved, so that the host's pointer need not be captured.
 */
#ifndef HW_INPUT_VMMOUSE_H
#define HW_INPUT_VMMOUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/state.h"
#include "hw/input/vmport.h"

#define VMMOUSE_RANGE 0x10000 /* the screen is this wide and this high */

struct vmmouse;

enum vmmouse_mode {
    VMMOUSE_OFF,      /* the guest does not listen: its mouse is another one */
    VMMOUSE_RELATIVE, /* it wants movement */
    VMMOUSE_ABSOLUTE, /* it wants places */
};

/* Puts its commands on `port`. `has_data` is called when there is something to fetch: the device has no interrupt of
 * its own, and the board makes the PS/2 mouse raise one. NULL when out of memory. */
struct vmmouse *vmmouse_create(struct vmport *port, void (*has_data)(void *opaque), void *opaque);
void vmmouse_destroy(struct vmmouse *mouse);
void vmmouse_reset(struct vmmouse *mouse);

enum vmmouse_mode vmmouse_mode(const struct vmmouse *mouse);
/* The pointer is at x, y (below VMMOUSE_RANGE, from the upper left corner). Wheel and buttons as for kbc8042_mouse().
 * In other modes than VMMOUSE_ABSOLUTE nothing comes of it. */
void vmmouse_point(struct vmmouse *mouse, unsigned x, unsigned y, int dz, uint8_t buttons);
/* As kbc8042_mouse(). In VMMOUSE_ABSOLUTE the pointer moves from where it was, by thousandths of the screen. */
void vmmouse_move(struct vmmouse *mouse, int dx, int dy, int dz, uint8_t buttons);

const struct state_desc *vmmouse_state(void);
void vmmouse_after_load(struct vmmouse *mouse);

#endif
