/* Bench: strings movsb_16 -DOPERATION=MOVSB -DSIZE=16 not-quick
 * Bench: strings movsd_16 -DOPERATION=MOVSD -DSIZE=16
 * Bench: strings movsd_256 -DOPERATION=MOVSD -DSIZE=256 not-quick
 * Bench: strings movsd_4k -DOPERATION=MOVSD -DSIZE=4096
 * Bench: strings movsd_256k -DOPERATION=MOVSD -DSIZE=262144
 * Bench: strings movsb_overlap -DOPERATION=MOVSB_OVERLAP -DSIZE=4096 not-quick
 * Bench: strings movsb_down -DOPERATION=MOVSB_DOWN -DSIZE=1024 not-quick
 * Bench: strings stosb_16 -DOPERATION=STOSB -DSIZE=16 not-quick
 * Bench: strings stosd_256 -DOPERATION=STOSD -DSIZE=256 not-quick
 * Bench: strings stosd_4k -DOPERATION=STOSD -DSIZE=4096
 * Bench: strings stosd_256k -DOPERATION=STOSD -DSIZE=262144 not-quick
 * Bench: strings scasb_16 -DOPERATION=SCASB -DSIZE=16 not-quick
 * Bench: strings scasb_1k -DOPERATION=SCASB -DSIZE=1024
 * Bench: strings scasd_64k -DOPERATION=SCASD -DSIZE=65536 not-quick
 * Bench: strings cmpsb_16 -DOPERATION=CMPSB -DSIZE=16 not-quick
 * Bench: strings cmpsb_1k -DOPERATION=CMPSB -DSIZE=1024
 * Bench: strings cmpsd_64k -DOPERATION=CMPSD -DSIZE=65536 not-quick
 * One repeated string instruction over blocks of one size, 256 KiB altogether. */
#include "rt.h"

enum { MOVSB, MOVSD, MOVSB_OVERLAP, MOVSB_DOWN, STOSB, STOSD, SCASB, SCASD, CMPSB, CMPSD, TOTAL = 256 << 10 };

static uint8_t from[TOTAL + 64] __attribute__((aligned(64))), to[TOTAL + 64] __attribute__((aligned(64)));

void bench_setup(void)
{
    uint32_t state = 81;
    for (int i = 0; i < TOTAL; i++)
        from[i] = (uint8_t)(xorshift32(&state) >> 11 | 1);
}

static inline uint32_t one(uint32_t at)
{
    uint8_t *d = to + at, *s = from + at;
    uint32_t count =
        OPERATION == MOVSD || OPERATION == STOSD || OPERATION == SCASD || OPERATION == CMPSD ? SIZE / 4 : SIZE;

    switch (OPERATION) {
    case MOVSB_OVERLAP: /* each byte is copied from the one just written: a fill by propagation */
        s = d;
        d++;
        count--;
        /* fall through */
    case MOVSB:
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(count) : : "memory");
        break;
    case MOVSD:
        __asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(count) : : "memory");
        break;
    case MOVSB_DOWN:
        d += SIZE - 1;
        s += SIZE - 1;
        __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(d), "+S"(s), "+c"(count) : : "memory", "cc");
        break;
    case STOSB:
        __asm__ volatile("rep stosb" : "+D"(d), "+c"(count) : "a"(at) : "memory");
        break;
    case STOSD:
        __asm__ volatile("rep stosl" : "+D"(d), "+c"(count) : "a"(at) : "memory");
        break;
    case SCASB: /* no byte of `from` is 0 */
        __asm__ volatile("repne scasb" : "+D"(s), "+c"(count) : "a"(0) : "memory", "cc");
        break;
    case SCASD:
        __asm__ volatile("repne scasl" : "+D"(s), "+c"(count) : "a"(0) : "memory", "cc");
        break;
    case CMPSB:
        __asm__ volatile("repe cmpsb" : "+D"(d), "+S"(s), "+c"(count) : : "memory", "cc");
        break;
    case CMPSD:
        __asm__ volatile("repe cmpsl" : "+D"(d), "+S"(s), "+c"(count) : : "memory", "cc");
        break;
    }
    return count ^ (uint32_t)(s - from);
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    if (OPERATION == CMPSB || OPERATION == CMPSD)
        memcpy(to, from, TOTAL);
    for (uint32_t at = 0; at < TOTAL; at += SIZE)
        sum = mix(sum, one(at));
    for (uint32_t at = 0; at < TOTAL; at += 1021)
        sum = mix(sum, to[at]);
    return sum;
}
