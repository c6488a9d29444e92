/*
 * The two 8237A DMA controllers of a PC, cascaded, with their page registers.
 *
 * The board maps dma8237_low_ops at 00h (16 ports), dma8237_high_ops at C0h (32 ports) and dma8237_page_ops at 80h
 * (16 ports), all with the same object.
 */
#ifndef HW_DMA_DMA8237_H
#define HW_DMA_DMA8237_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hw/core/bus.h"
#include "hw/core/state.h"

struct dma8237;
struct dma8237_channel;

extern const struct bus_ops dma8237_low_ops;
extern const struct bus_ops dma8237_high_ops;
extern const struct bus_ops dma8237_page_ops;

/* NULL when out of memory. */
struct dma8237 *dma8237_create(struct bus *bus);
void dma8237_destroy(struct dma8237 *dma);
/* Master clear of both controllers; base and current registers and pages stay. Request lines are wires: they stay. */
void dma8237_reset(struct dma8237 *dma);

/* ---- a device's end of a channel: DREQ, DACK, TC ---- */

/* Channel 0-3 (bytes) or 5-7 (words); 4 is the cascade: NULL. Belongs to the controller. */
struct dma8237_channel *dma8237_channel(struct dma8237 *dma, unsigned n);
/* `granted` is called when a raised request is acknowledged: the device then moves what it has. It comes from within
 * dma8237_request() or from a register write, and may come again for the same request. */
void dma8237_connect(struct dma8237_channel *channel, void (*granted)(void *opaque), void *opaque);
/* DREQ. */
void dma8237_request(struct dma8237_channel *channel, bool level);
/* Would a transfer move something now? In cascade mode: does the external master have the bus? */
bool dma8237_is_granted(const struct dma8237_channel *channel);
/* Moves up to `len_bytes` (whole words on a word channel) between `buffer` and memory, in the direction that the
 * channel is programmed for; a verify transfer only counts. Returns how many bytes were moved: 0 if the channel is not
 * granted. It stops at terminal count, and then sets *is_terminal. */
size_t dma8237_transfer(struct dma8237_channel *channel, void *buffer, size_t len_bytes, bool *is_terminal);

const struct state_desc *dma8237_state_desc(void);
void dma8237_after_load(struct dma8237 *dma);
/* `info dma`: one line per channel. */
void dma8237_print(const struct dma8237 *dma, FILE *out);

#endif
