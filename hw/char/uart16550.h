/* National Semiconductor 16550A UART. The board maps uart16550_ops, 8 ports (3F8h for COM1). */
#ifndef HW_CHAR_UART16550_H
#define HW_CHAR_UART16550_H

#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/host.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

/* Modem lines that come from the far end, at their places in MSR. */
enum { UART16550_CTS = 1 << 4, UART16550_DSR = 1 << 5, UART16550_RI = 1 << 6, UART16550_DCD = 1 << 7 };

struct uart16550;

extern const struct bus_ops uart16550_ops;

/* `host` may be NULL: what is sent is lost, and the modem lines are low. Otherwise the UART becomes its receiver and
 * does not own it; CTS, DSR and DCD are high. `irq` is gated by OUT2, as on a PC's serial port. NULL when out of
 * memory. */
struct uart16550 *uart16550_create(struct clock *clock, struct irq irq, struct host_char *host);
void uart16550_destroy(struct uart16550 *uart);
/* The MR pin. The baud rate, the scratch register and the modem lines stay. */
void uart16550_reset(struct uart16550 *uart);
/* Sets the four modem lines. */
void uart16550_set_modem_lines(struct uart16550 *uart, uint8_t lines);
/* A break condition arrives from the far end. */
void uart16550_receive_break(struct uart16550 *uart);

const struct state_desc *uart16550_state_desc(void);
void uart16550_after_load(struct uart16550 *uart);

#endif
