/* Bench: integer corelike
 * The mixture CoreMark made popular, written anew: list search, sort and reversal; matrix products of 16-bit numbers; a
 * state machine that classifies text; a bitwise CRC-16 over every result. */
#include "rt.h"

enum { ITEMS = 256, SIDE = 20, TEXT = 1024 };

struct item {
    struct item *next;
    int16_t key, value;
};
static struct item items[ITEMS], *list;
static int16_t ma[SIDE][SIDE], mb[SIDE][SIDE];
static int32_t mc[SIDE][SIDE];
static char text[TEXT + 1];

static uint16_t crc16(uint16_t value, uint16_t crc)
{
    for (int i = 0; i < 16; i++, value >>= 1)
        crc = (uint16_t)((crc ^ value) & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
    return crc;
}

static struct item *reversed(struct item *at)
{
    struct item *result = 0;
    while (at) {
        struct item *next = at->next;
        at->next = result;
        result = at;
        at = next;
    }
    return result;
}

static struct item *merged(struct item *a, struct item *b, int (*order)(const struct item *, const struct item *))
{
    struct item head, *tail = &head;
    while (a && b) {
        struct item **first = order(a, b) <= 0 ? &a : &b;
        tail->next = *first;
        tail = *first;
        *first = (*first)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct item *sorted(struct item *at, int n, int (*order)(const struct item *, const struct item *))
{
    if (n == 1) {
        at->next = 0;
        return at;
    }
    struct item *middle = at;
    for (int i = 0; i < n / 2; i++)
        middle = middle->next;
    struct item *b = sorted(middle, n - n / 2, order);
    return merged(sorted(at, n / 2, order), b, order);
}

static int by_key(const struct item *a, const struct item *b)
{
    return a->key - b->key;
}

static int by_value(const struct item *a, const struct item *b)
{
    return a->value != b->value ? a->value - b->value : a->key - b->key;
}

static uint16_t list_work(uint16_t crc)
{
    for (int i = 0; i < 24; i++) {
        const struct item *at = list;
        while (at && (at->value & 0xff) != i * 7)
            at = at->next;
        crc = crc16(at ? (uint16_t)at->key : 0xffff, crc);
        list = reversed(list);
    }
    list = sorted(list, ITEMS, by_value);
    crc = crc16((uint16_t)list->key, crc);
    list = sorted(list, ITEMS, by_key);
    for (const struct item *at = list; at; at = at->next)
        crc = crc16((uint16_t)at->value, crc);
    return crc;
}

static uint16_t matrix_work(uint16_t crc)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (int l = 0; l < SIDE; l++)
                sum += ma[i][l] * mb[l][j];
            mc[i][j] = sum;
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            crc = crc16((uint16_t)((mc[i][j] >> 2 & 15) * (mc[i][j] >> 5 & 127)), crc);
    return crc;
}

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static enum state number(const char **at, uint32_t *steps)
{
    enum state s = START;
    for (; **at && **at != ','; (*at)++, steps[s]++) {
        char c = **at;
        int digit = c >= '0' && c <= '9';
        switch (s) {
        case START:
            s = digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID;
            break;
        case SIGN:
            s = digit ? INTEGER : c == '.' ? FRACTION : INVALID;
            break;
        case INTEGER:
            s = digit ? INTEGER : c == '.' ? FRACTION : INVALID;
            break;
        case FRACTION:
            s = digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
            break;
        case EXPONENT:
            s = c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
            break;
        case EXPONENT_SIGN:
        case SCIENTIFIC:
            s = digit ? SCIENTIFIC : INVALID;
            break;
        default:
            break;
        }
    }
    if (**at)
        (*at)++;
    return s;
}

static void change_digits(int pass)
{
    for (int i = pass; i < TEXT; i += 11)
        if (text[i] >= '0' && text[i] <= '9')
            text[i] ^= 1;
}

static uint16_t state_work(uint16_t crc)
{
    uint32_t steps[STATES] = {0}, ends[STATES] = {0};

    for (int pass = 0; pass < 4; pass++) {
        for (const char *at = text; *at;)
            ends[number(&at, steps)]++;
        change_digits(pass);
    }
    for (int pass = 0; pass < 4; pass++)
        change_digits(pass); /* a second time: as they were */
    for (int i = 0; i < STATES; i++)
        crc = crc16((uint16_t)ends[i], crc16((uint16_t)steps[i], crc));
    return crc;
}

void bench_setup(void)
{
    static const char words[][8] = {"5012,",   "-874,",   "+122,",   "35.54,", ".1234,",
                                    "-110.7,", "5.5e+3,", "-.1e-7,", "T0.3,",  "1e1x,"};
    uint32_t state = 3;
    int length = 0;

    for (int i = 0; i < ITEMS; i++) {
        items[i].key = (int16_t)i;
        items[i].value = (int16_t)(xorshift32(&state) & 0x7fff);
        items[i].next = i + 1 < ITEMS ? &items[i + 1] : 0;
    }
    list = items;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            ma[i][j] = (int16_t)(xorshift32(&state) % 199 - 99);
            mb[i][j] = (int16_t)(xorshift32(&state) % 199 - 99);
        }
    while (length < TEXT) {
        const char *word = words[xorshift32(&state) % 10];
        while (*word && length < TEXT)
            text[length++] = *word++;
    }
}

uint32_t bench_unit(void)
{
    uint16_t crc = 0;
    for (int i = 0; i < 10; i++)
        crc = state_work(matrix_work(list_work(crc)));
    return crc;
}
