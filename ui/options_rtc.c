/*
 * -rtc. See options_rtc.h. Names and meanings are QEMU's.
 * Deviates: QEMU takes what follows a date that it does not understand for midnight; here it is refused. driftfix=slew,
 * which makes up for lost periodic interrupts, is refused: ours are not lost but late.
 */
#include "ui/options_rtc.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND 1000000000LL

/* 2006-06-17 or 2006-06-17T16:01:21, a date of the calendar. */
static bool parse_datetime(const char *text, int64_t *seconds)
{
    struct tm tm = {0}, asked;
    char end;
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                   &tm.tm_sec, &end);

    if (strspn(text, "0123456789-T:") != strlen(text) || text[0] == '-' || strstr(text, "--"))
        return false;
    if (n == 3 ? sscanf(text, "%4d-%2d-%2d%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &end) != 3 : n != 6)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    asked = tm;
    *seconds = timegm(&tm); /* makes 1 July of 31 June */
    return tm.tm_mon == asked.tm_mon && tm.tm_mday == asked.tm_mday && tm.tm_hour == asked.tm_hour &&
           tm.tm_min == asked.tm_min && tm.tm_sec == asked.tm_sec;
}

static bool take_base(struct rtc_options *o, const char *value)
{
    if (strcmp(value, "utc") == 0)
        o->base = RTC_BASE_UTC;
    else if (strcmp(value, "localtime") == 0)
        o->base = RTC_BASE_LOCALTIME;
    else if (parse_datetime(value, &o->datetime_seconds))
        o->base = RTC_BASE_DATETIME;
    else
        return false;
    return true;
}

static bool take_clock(struct rtc_options *o, const char *value)
{
    static const char *const name[] = {[RTC_CLOCK_HOST] = "host", [RTC_CLOCK_RT] = "rt", [RTC_CLOCK_VM] = "vm"};

    for (unsigned i = 0; i < sizeof name / sizeof name[0]; i++) {
        if (strcmp(value, name[i]) == 0) {
            o->clock = (enum rtc_clock)i;
            return true;
        }
    }
    return false;
}

static bool take_word(struct rtc_options *o, const char *word)
{
    if (strncmp(word, "base=", 5) == 0)
        return take_base(o, word + 5);
    if (strncmp(word, "clock=", 6) == 0)
        return take_clock(o, word + 6);
    return strcmp(word, "driftfix=none") == 0;
}

bool rtc_options_parse(struct rtc_options *o, const char *text, char *error, size_t error_size)
{
    while (*text) {
        char word[64];
        size_t len = strcspn(text, ",");

        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), text);
        if (len >= sizeof word || !take_word(o, word)) {
            snprintf(error, error_size,
                     "'%s' is not understood; use base=utc, base=localtime or base=2006-06-17T16:01:21, and "
                     "clock=host, clock=rt or clock=vm",
                     word);
            return false;
        }
        text += len + (text[len] == ',');
    }
    return true;
}

int64_t rtc_options_start(const struct rtc_options *o, time_t now)
{
    struct tm local;

    if (o->base == RTC_BASE_DATETIME)
        return o->datetime_seconds;
    if (o->base == RTC_BASE_LOCALTIME && localtime_r(&now, &local))
        return timegm(&local);
    return now;
}

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

static int64_t host_time(void *opaque)
{
    return read_clock(CLOCK_REALTIME);
}

static int64_t monotonic_time(void *opaque)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t (*rtc_options_source(const struct rtc_options *o))(void *opaque)
{
    switch (o->clock) {
    case RTC_CLOCK_HOST:
        return host_time;
    case RTC_CLOCK_RT:
        return monotonic_time;
    case RTC_CLOCK_VM:
        break;
    }
    return NULL;
}
