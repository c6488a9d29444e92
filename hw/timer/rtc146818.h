/*
 * Motorola MC146818 real-time clock with 128 bytes of CMOS RAM. The board maps rtc146818_ops at 70h, 2 ports.
 */
#ifndef HW_TIMER_RTC146818_H
#define HW_TIMER_RTC146818_H

#include <stdbool.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

#define RTC146818_CMOS_BYTES 128

struct rtc146818;

extern const struct bus_ops rtc146818_ops;

/* Starts at `seconds`, counted from 1970-01-01 00:00:00 in whatever zone the guest is to see, with a full battery and
 * 24-hour BCD time. `irq` is IRQ 8. NULL when out of memory. */
struct rtc146818 *rtc146818_create(struct clock *clock, int64_t seconds, struct irq irq);
void rtc146818_destroy(struct rtc146818 *rtc);
/* Before the guest runs: time passes as now_ns() says, in ns from any origin, instead of as the machine's clock does.
 * It may go on while the machine's clock is paused, and may be set forward and back like a host's time of day. NULL:
 * the machine's clock. */
void rtc146818_follow(struct rtc146818 *rtc, int64_t (*now_ns)(void *opaque), void *opaque);
/* The RESET pin: clears interrupt enables and flags; time, alarm and RAM stay. */
void rtc146818_reset(struct rtc146818 *rtc);

/* For the board: preset and look at CMOS bytes as firmware defines them (index < 128). Time and status registers
 * (0 to 0dh) are left alone. */
void rtc146818_set_cmos(struct rtc146818 *rtc, uint8_t index, uint8_t value);
uint8_t rtc146818_get_cmos(const struct rtc146818 *rtc, uint8_t index);
/* Bit 7 of port 70h. */
bool rtc146818_nmi_is_masked(const struct rtc146818 *rtc);

const struct state_desc *rtc146818_state_desc(void);
void rtc146818_after_load(struct rtc146818 *rtc);

#endif
