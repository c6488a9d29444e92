/* Bench: integer sort
 * Quicksort, heap sort and an insertion sort of random words: data-dependent branches. */
#include "rt.h"

enum { COUNT = 8192 };
static uint32_t input[COUNT], a[COUNT];

static void insertion(uint32_t *x, int n)
{
    for (int i = 1; i < n; i++) {
        uint32_t v = x[i];
        int j = i;
        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

static void quick(uint32_t *x, int n)
{
    while (n > 12) {
        uint32_t p = x[0], q = x[n / 2], r = x[n - 1];
        uint32_t pivot = p < q ? (q < r ? q : p < r ? r : p) : (p < r ? p : q < r ? r : q);
        int i = -1, j = n;
        for (;;) {
            while (x[++i] < pivot)
                ;
            while (x[--j] > pivot)
                ;
            if (i >= j)
                break;
            uint32_t t = x[i];
            x[i] = x[j];
            x[j] = t;
        }
        quick(x, j + 1);
        x += j + 1;
        n -= j + 1;
    }
    insertion(x, n);
}

static void sift(uint32_t *x, int root, int n)
{
    uint32_t v = x[root];
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && x[child + 1] > x[child])
            child++;
        if (x[child] <= v)
            break;
        x[root] = x[child];
    }
    x[root] = v;
}

static void heap(uint32_t *x, int n)
{
    for (int i = n / 2; i-- > 0;)
        sift(x, i, n);
    while (--n > 0) {
        uint32_t t = x[0];
        x[0] = x[n];
        x[n] = t;
        sift(x, 0, n);
    }
}

static uint32_t checked(void)
{
    uint32_t sum = MIX_START;
    for (int i = 0; i < COUNT; i++) {
        if (i && a[i - 1] > a[i])
            fail("not sorted");
        sum = mix(sum, a[i]);
    }
    return sum;
}

void bench_setup(void)
{
    uint32_t state = 99;
    for (int i = 0; i < COUNT; i++)
        input[i] = xorshift32(&state) >> 4;
}

uint32_t bench_unit(void)
{
    uint32_t sum;

    memcpy(a, input, sizeof a);
    quick(a, COUNT);
    sum = checked();
    memcpy(a, input, sizeof a);
    heap(a, COUNT);
    sum += checked();
    memcpy(a, input, sizeof a);
    for (int i = 0; i < COUNT; i += 128)
        insertion(a + i, 128);
    for (int i = 0; i < COUNT; i++)
        sum = mix(sum, a[i]);
    return sum;
}
