/*
 * Motorola MC146818A real-time clock plus RAM. Source: Motorola MC146818A datasheet; IBM PC AT Technical Reference for
 * the ports, the NMI mask and the century byte at 32h.
 * The time of day is a function of the clock. Flags are worked out when somebody looks; a timer runs only towards the
 * next interrupt that is enabled.
 * Deviates: daylight saving (DSE) and the square wave (SQWE) are not modelled. The update of the time bytes is atomic
 * and happens at the end of the update cycle. The century byte, RAM in the real chip, follows the year.
 */
#include "hw/timer/rtc146818.h"

#include <stdlib.h>

#include "hw/core/log.h"

enum { RTC_INDEX, RTC_DATA };

enum {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_DAY_OF_WEEK,
    RTC_DAY_OF_MONTH,
    RTC_MONTH,
    RTC_YEAR,
    RTC_REG_A,
    RTC_REG_B,
    RTC_REG_C,
    RTC_REG_D,
    RTC_CENTURY = 0x32,

    RTC_A_UIP = 1 << 7,
    RTC_A_DV = 0x70,
    RTC_A_DV_RESET = 0x60, /* 110 and 111 hold the divider chain in reset */
    RTC_A_RS = 0x0f,

    RTC_B_SET = 1 << 7,
    RTC_B_PIE = 1 << 6,
    RTC_B_AIE = 1 << 5,
    RTC_B_UIE = 1 << 4,
    RTC_B_SQWE = 1 << 3,
    RTC_B_DM = 1 << 2,    /* 1: binary */
    RTC_B_24_12 = 1 << 1, /* 1: 24-hour */
    RTC_B_DSE = 1 << 0,

    RTC_C_IRQF = 1 << 7,
    RTC_C_PF = 1 << 6, /* each flag at the bit of its enable in register B */
    RTC_C_AF = 1 << 5,
    RTC_C_UF = 1 << 4,
    RTC_C_FLAGS = RTC_C_PF | RTC_C_AF | RTC_C_UF,

    RTC_D_VRT = 1 << 7,

    RTC_HOURS_PM = 1 << 7,
    RTC_ALARM_ANY = 0xc0, /* both bits set: matches always */
    RTC_INDEX_NMI_OFF = 1 << 7,
};

#define CRYSTAL_HZ      32768
#define SECONDS_PER_DAY 86400
/* UIP rises 244 us before an update cycle, which takes 1984 us with a 32 kHz crystal. */
#define UIP_NS ((244 + 1984) * NS_PER_US)

struct rtc146818 {
    uint8_t index;
    uint8_t cmos[RTC146818_CMOS_BYTES]; /* time bytes are current only while the update is halted */
    int64_t origin_ns;                  /* a moment at which the divider chain stood at 0: seconds begin there */
    int64_t origin_seconds;             /* the time then, since 1970 */
    uint8_t origin_weekday;             /* the day of week then, 0 to 6; the guest may disagree with the calendar */
    int64_t seen_ns;                    /* flags are set for what happened up to here */
    struct clock *clock;
    int64_t (*source_ns)(void *opaque); /* all the times above are its; NULL: the clock's */
    void *source_opaque;
    struct irq irq;
    struct timer timer; /* on the clock */
};

static const struct state_field rtc_fields[] = {
    STATE_REG(struct rtc146818, index, 0, "index register and NMI mask"),
    STATE_BLOB(struct rtc146818, cmos, 0, "CMOS RAM"),
    STATE_REG(struct rtc146818, origin_ns, 0, "start of a second"),
    STATE_REG(struct rtc146818, origin_seconds, 0, "time at that moment"),
    STATE_REG(struct rtc146818, origin_weekday, 0, "day of week at that moment"),
    STATE_REG(struct rtc146818, seen_ns, 0, "flags are current up to here"),
};
static const struct state_desc rtc_desc = STATE_DESC("rtc146818", rtc_fields);

const struct state_desc *rtc146818_state_desc(void)
{
    return &rtc_desc;
}

/* ---- the calendar ---- */

struct calendar {
    int64_t year;        /* 2024 */
    unsigned month, day; /* 1..12, 1..31 */
};

/* Days from 1970-01-01, Gregorian. Years are counted from March, so that a leap day ends one. */
static int64_t days_from_calendar(struct calendar date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400, year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct calendar calendar_from_days(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097, day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned from_march = (unsigned)((5 * day_of_year + 2) / 153);
    struct calendar date = {.month = from_march < 10 ? from_march + 3 : from_march - 9,
                            .day = (unsigned)(day_of_year - (153 * from_march + 2) / 5 + 1)};
    date.year = year_of_era + era * 400 + (date.month <= 2);
    return date;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* ---- formats ---- */

static uint8_t encode(const struct rtc146818 *rtc, unsigned value)
{
    return (uint8_t)(rtc->cmos[RTC_REG_B] & RTC_B_DM ? value : value / 10 << 4 | value % 10);
}

static unsigned decode(const struct rtc146818 *rtc, uint8_t byte)
{
    return rtc->cmos[RTC_REG_B] & RTC_B_DM ? byte : (byte >> 4) * 10u + (byte & 15);
}

static uint8_t encode_hours(const struct rtc146818 *rtc, unsigned hours)
{
    if (rtc->cmos[RTC_REG_B] & RTC_B_24_12)
        return encode(rtc, hours);
    uint8_t byte = encode(rtc, hours % 12 ? hours % 12 : 12);
    return hours >= 12 ? byte | RTC_HOURS_PM : byte;
}

static unsigned decode_hours(const struct rtc146818 *rtc, uint8_t byte)
{
    if (rtc->cmos[RTC_REG_B] & RTC_B_24_12)
        return decode(rtc, byte);
    return decode(rtc, byte & (uint8_t)~RTC_HOURS_PM) % 12 + (byte & RTC_HOURS_PM ? 12 : 0);
}

/* ---- time ---- */

static int64_t now_ns(const struct rtc146818 *rtc)
{
    return rtc->source_ns ? rtc->source_ns(rtc->source_opaque) : clock_now_ns(rtc->clock);
}

static bool divider_is_reset(const struct rtc146818 *rtc)
{
    return (rtc->cmos[RTC_REG_A] & RTC_A_DV_RESET) == RTC_A_DV_RESET;
}

/* No update cycles: the time bytes keep what they hold. */
static bool is_halted(const struct rtc146818 *rtc)
{
    return rtc->cmos[RTC_REG_B] & RTC_B_SET || divider_is_reset(rtc);
}

static int64_t updates_at(const struct rtc146818 *rtc, int64_t ns)
{
    return floor_div(ns - rtc->origin_ns, NS_PER_SECOND);
}

/* Brings the time bytes up to date. */
static void fetch_time(struct rtc146818 *rtc, int64_t now)
{
    if (is_halted(rtc))
        return;
    int64_t seconds = rtc->origin_seconds + updates_at(rtc, now);
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    unsigned of_day = (unsigned)(seconds - days * SECONDS_PER_DAY);
    int64_t days_passed = days - floor_div(rtc->origin_seconds, SECONDS_PER_DAY);
    struct calendar date = calendar_from_days(days);
    rtc->cmos[RTC_SECONDS] = encode(rtc, of_day % 60);
    rtc->cmos[RTC_MINUTES] = encode(rtc, of_day / 60 % 60);
    rtc->cmos[RTC_HOURS] = encode_hours(rtc, of_day / 3600);
    rtc->cmos[RTC_DAY_OF_WEEK] = encode(rtc, (unsigned)((rtc->origin_weekday + days_passed) % 7) + 1);
    rtc->cmos[RTC_DAY_OF_MONTH] = encode(rtc, date.day);
    rtc->cmos[RTC_MONTH] = encode(rtc, date.month);
    rtc->cmos[RTC_YEAR] = encode(rtc, (unsigned)(date.year % 100));
    rtc->cmos[RTC_CENTURY] = encode(rtc, (unsigned)(date.year / 100 % 100));
}

static unsigned at_most(unsigned value, unsigned limit)
{
    return value < limit ? value : limit;
}

/* Takes the time bytes as the time of the second that began last. Values out of range are clamped. */
static void store_time(struct rtc146818 *rtc, int64_t now)
{
    const uint8_t *cmos = rtc->cmos;
    unsigned month = at_most(decode(rtc, cmos[RTC_MONTH]), 12), day = at_most(decode(rtc, cmos[RTC_DAY_OF_MONTH]), 31);
    struct calendar date = {
        .year = at_most(decode(rtc, cmos[RTC_CENTURY]), 99) * 100 + at_most(decode(rtc, cmos[RTC_YEAR]), 99),
        .month = month ? month : 1,
        .day = day ? day : 1,
    };
    unsigned of_day = at_most(decode_hours(rtc, cmos[RTC_HOURS]), 23) * 3600 +
                      at_most(decode(rtc, cmos[RTC_MINUTES]), 59) * 60 + at_most(decode(rtc, cmos[RTC_SECONDS]), 59);
    rtc->origin_ns += updates_at(rtc, now) * NS_PER_SECOND;
    rtc->origin_seconds = days_from_calendar(date) * SECONDS_PER_DAY + of_day;
    rtc->origin_weekday = (uint8_t)((decode(rtc, cmos[RTC_DAY_OF_WEEK]) + 6) % 7);
}

static bool update_is_in_progress(const struct rtc146818 *rtc, int64_t now)
{
    int64_t into_second = now - rtc->origin_ns - updates_at(rtc, now) * NS_PER_SECOND;
    return !is_halted(rtc) && into_second >= NS_PER_SECOND - UIP_NS;
}

/* ---- the three interrupts ---- */

/* Periodic rate in crystal periods, a power of two; 0: none. */
static int64_t period(const struct rtc146818 *rtc)
{
    unsigned rs = rtc->cmos[RTC_REG_A] & RTC_A_RS;
    if (rs == 0 || divider_is_reset(rtc))
        return 0;
    return 1 << ((rs <= 2 ? rs + 7 : rs) - 1); /* 1 and 2 give the rates of 8 and 9 */
}

static int64_t periods_at(const struct rtc146818 *rtc, int64_t ns)
{
    int64_t since = ns - rtc->origin_ns, whole = floor_div(since, NS_PER_SECOND);
    int64_t clks = whole * CRYSTAL_HZ + (since - whole * NS_PER_SECOND) * CRYSTAL_HZ / NS_PER_SECOND;
    return floor_div(clks, period(rtc));
}

/* The first nanosecond of period number n. */
static int64_t period_start_ns(const struct rtc146818 *rtc, int64_t n)
{
    int64_t clks = n * period(rtc), whole = floor_div(clks, CRYSTAL_HZ), rest = clks - whole * CRYSTAL_HZ;
    return rtc->origin_ns + whole * NS_PER_SECOND + (rest * NS_PER_SECOND + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

static bool alarm_matches(const struct rtc146818 *rtc, unsigned alarm, uint8_t time_byte)
{
    uint8_t byte = rtc->cmos[alarm];
    return (byte & RTC_ALARM_ANY) == RTC_ALARM_ANY || byte == time_byte;
}

/* Seconds from `seconds` to the next alarm, 1 to a day; 0: the alarm bytes match no time of day. */
static int64_t seconds_to_alarm(const struct rtc146818 *rtc, int64_t seconds)
{
    for (int64_t at = seconds + 1; at <= seconds + SECONDS_PER_DAY;) {
        unsigned of_day = (unsigned)(at - floor_div(at, SECONDS_PER_DAY) * SECONDS_PER_DAY);
        if (!alarm_matches(rtc, RTC_HOURS_ALARM, encode_hours(rtc, of_day / 3600)))
            at += 3600 - of_day % 3600;
        else if (!alarm_matches(rtc, RTC_MINUTES_ALARM, encode(rtc, of_day / 60 % 60)))
            at += 60 - of_day % 60;
        else if (!alarm_matches(rtc, RTC_SECONDS_ALARM, encode(rtc, of_day % 60)))
            at++;
        else
            return at - seconds;
    }
    return 0;
}

/* The update, counted from origin, that the next alarm after update `n` comes with; CLOCK_NEVER: none. */
static int64_t alarm_after(const struct rtc146818 *rtc, int64_t n)
{
    int64_t wait = seconds_to_alarm(rtc, rtc->origin_seconds + n);
    return wait ? n + wait : CLOCK_NEVER;
}

/* Sets the flags of everything that happened since the last look. */
static void collect_flags(struct rtc146818 *rtc, int64_t now)
{
    uint8_t *flags = &rtc->cmos[RTC_REG_C];
    if (period(rtc) && periods_at(rtc, now) > periods_at(rtc, rtc->seen_ns))
        *flags |= RTC_C_PF;
    int64_t before = updates_at(rtc, rtc->seen_ns), after = updates_at(rtc, now);
    if (!is_halted(rtc) && after > before) {
        *flags |= RTC_C_UF;
        if (!(*flags & RTC_C_AF) && alarm_after(rtc, before) <= after)
            *flags |= RTC_C_AF;
    }
    rtc->seen_ns = now;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Another source may be set, or run while the clock is paused: it is looked at again after a second. */
static void set_timer(struct rtc146818 *rtc, int64_t deadline, int64_t now)
{
    if (rtc->source_ns && deadline != CLOCK_NEVER)
        deadline = clock_now_ns(rtc->clock) + earlier(deadline - now, NS_PER_SECOND);
    timer_set(&rtc->timer, deadline);
}

/* Drives IRQ 8 and arms the timer for the next flag that would raise it. */
static void update(struct rtc146818 *rtc, int64_t now)
{
    uint8_t enabled = rtc->cmos[RTC_REG_B] & RTC_C_FLAGS;
    bool is_raised = rtc->cmos[RTC_REG_C] & enabled;
    irq_set(&rtc->irq, is_raised);

    int64_t deadline = CLOCK_NEVER;
    if (!is_raised) { /* while it is raised, nothing more can happen before register C is read */
        if (enabled & RTC_C_PF && period(rtc))
            deadline = period_start_ns(rtc, periods_at(rtc, now) + 1);
        if (enabled & RTC_C_UF && !is_halted(rtc))
            deadline = earlier(deadline, rtc->origin_ns + (updates_at(rtc, now) + 1) * NS_PER_SECOND);
        if (enabled & RTC_C_AF && !is_halted(rtc)) {
            int64_t n = alarm_after(rtc, updates_at(rtc, now));
            if (n != CLOCK_NEVER)
                deadline = earlier(deadline, rtc->origin_ns + n * NS_PER_SECOND);
        }
    }
    set_timer(rtc, deadline, now);
}

static void interrupt_due(void *opaque)
{
    struct rtc146818 *rtc = opaque;
    int64_t now = now_ns(rtc);
    collect_flags(rtc, now);
    update(rtc, now);
}

/* ---- registers ---- */

/* Registers A and B decide whether time runs: what stood still starts again from the bytes. */
static void write_control(struct rtc146818 *rtc, uint8_t index, uint8_t value, int64_t now)
{
    static bool said;
    bool was_halted = is_halted(rtc), was_reset = divider_is_reset(rtc);
    fetch_time(rtc, now);
    if (index == RTC_REG_A) {
        rtc->cmos[RTC_REG_A] = value & (uint8_t)~RTC_A_UIP;
    } else {
        if (value & RTC_B_SET)
            value &= (uint8_t)~RTC_B_UIE; /* "cleared by the SET bit going high" */
        if (value & RTC_B_DSE)
            log_once(&said, "rtc146818: daylight saving is not modelled\n");
        rtc->cmos[RTC_REG_B] = value;
    }
    if (was_reset && !divider_is_reset(rtc)) /* the first update comes half a second after the divider is let go */
        rtc->origin_ns = now - NS_PER_SECOND / 2;
    if (was_halted && !is_halted(rtc))
        store_time(rtc, now);
}

static void write_register(struct rtc146818 *rtc, uint8_t index, uint8_t value, int64_t now)
{
    switch (index) {
    case RTC_REG_A:
    case RTC_REG_B:
        write_control(rtc, index, value, now);
        break;
    case RTC_REG_C:
    case RTC_REG_D:
        break; /* read-only */
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_DAY_OF_WEEK:
    case RTC_DAY_OF_MONTH:
    case RTC_MONTH:
    case RTC_YEAR:
    case RTC_CENTURY:
        fetch_time(rtc, now);
        rtc->cmos[index] = value;
        if (!is_halted(rtc))
            store_time(rtc, now);
        break;
    default:
        rtc->cmos[index] = value;
        break;
    }
}

static void rtc_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct rtc146818 *rtc = self;
    if (offset == RTC_INDEX) {
        rtc->index = (uint8_t)value;
        return;
    }
    int64_t now = now_ns(rtc);
    collect_flags(rtc, now);
    write_register(rtc, rtc->index & (uint8_t)~RTC_INDEX_NMI_OFF, (uint8_t)value, now);
    update(rtc, now);
}

static uint32_t rtc_read(void *self, uint32_t offset, unsigned width)
{
    struct rtc146818 *rtc = self;
    if (offset == RTC_INDEX)
        return 0xff; /* write-only */
    int64_t now = now_ns(rtc);
    uint8_t index = rtc->index & (uint8_t)~RTC_INDEX_NMI_OFF;
    collect_flags(rtc, now);
    fetch_time(rtc, now);
    uint8_t value = rtc->cmos[index];
    if (index == RTC_REG_A && update_is_in_progress(rtc, now))
        value |= RTC_A_UIP;
    if (index == RTC_REG_C) {
        if (value & rtc->cmos[RTC_REG_B])
            value |= RTC_C_IRQF;
        rtc->cmos[RTC_REG_C] = 0;
    }
    update(rtc, now);
    return value;
}

const struct bus_ops rtc146818_ops = {.name = "rtc146818", .read = rtc_read, .write = rtc_write, .max_width = 1};

/* ---- life ---- */

struct rtc146818 *rtc146818_create(struct clock *clock, int64_t seconds, struct irq irq)
{
    struct rtc146818 *rtc = calloc(1, sizeof *rtc);
    if (!rtc)
        return NULL;
    rtc->clock = clock;
    rtc->irq = irq;
    timer_init(&rtc->timer, clock, interrupt_due, rtc);
    state_reset(&rtc_desc, rtc);
    rtc->cmos[RTC_REG_A] = 0x26; /* 32768 Hz crystal, 1024 Hz periodic rate */
    rtc->cmos[RTC_REG_B] = RTC_B_24_12;
    rtc->cmos[RTC_REG_D] = RTC_D_VRT;
    rtc->origin_ns = rtc->seen_ns = now_ns(rtc);
    rtc->origin_seconds = seconds;
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    rtc->origin_weekday = (uint8_t)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday; 0 is Sunday */
    fetch_time(rtc, rtc->origin_ns);
    return rtc;
}

void rtc146818_follow(struct rtc146818 *rtc, int64_t (*source_ns)(void *opaque), void *opaque)
{
    int64_t before = now_ns(rtc), change;

    rtc->source_ns = source_ns;
    rtc->source_opaque = opaque;
    change = now_ns(rtc) - before;
    rtc->origin_ns += change;
    rtc->seen_ns += change;
    update(rtc, now_ns(rtc));
}

void rtc146818_destroy(struct rtc146818 *rtc)
{
    if (!rtc)
        return;
    timer_cancel(&rtc->timer);
    free(rtc);
}

void rtc146818_reset(struct rtc146818 *rtc)
{
    int64_t now = now_ns(rtc);
    collect_flags(rtc, now);
    rtc->cmos[RTC_REG_B] &= (uint8_t) ~(RTC_B_PIE | RTC_B_AIE | RTC_B_UIE | RTC_B_SQWE);
    rtc->cmos[RTC_REG_C] = 0;
    rtc->index = 0;
    update(rtc, now);
}

void rtc146818_set_cmos(struct rtc146818 *rtc, uint8_t index, uint8_t value)
{
    if (index > RTC_REG_D && index < RTC146818_CMOS_BYTES)
        rtc->cmos[index] = value;
}

uint8_t rtc146818_get_cmos(const struct rtc146818 *rtc, uint8_t index)
{
    return index < RTC146818_CMOS_BYTES ? rtc->cmos[index] : 0xff;
}

bool rtc146818_nmi_is_masked(const struct rtc146818 *rtc)
{
    return rtc->index & RTC_INDEX_NMI_OFF;
}

void rtc146818_after_load(struct rtc146818 *rtc)
{
    rtc->origin_weekday %= 7;
    update(rtc, now_ns(rtc));
}
