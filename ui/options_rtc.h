/* -rtc: which time the real-time clock starts with, and what moves it. */
#ifndef UI_OPTIONS_RTC_H
#define UI_OPTIONS_RTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum rtc_base { RTC_BASE_UTC, RTC_BASE_LOCALTIME, RTC_BASE_DATETIME };

/* host: the host's time of day, with all corrections that it gets; rt: the host's monotonic clock. Both go on while the
 * machine is stopped. vm: guest time, which does not. */
enum rtc_clock { RTC_CLOCK_HOST, RTC_CLOCK_RT, RTC_CLOCK_VM };

/* All zero: as without the option. */
struct rtc_options {
    enum rtc_base base;
    int64_t datetime_seconds; /* RTC_BASE_DATETIME: seconds since 1970 as the guest is to see them */
    enum rtc_clock clock;
};

/* Takes the option's value; several options add up. False: `error` holds one line with the bad word and the remedy. */
bool rtc_options_parse(struct rtc_options *o, const char *text, char *error, size_t error_size);

/* What a guest that starts at `now` sees first, in seconds since 1970. */
int64_t rtc_options_start(const struct rtc_options *o, time_t now);
/* The clock that moves it, in ns; NULL: guest time. */
int64_t (*rtc_options_source(const struct rtc_options *o))(void *opaque);

#endif
