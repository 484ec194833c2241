// The orders that every peer is given, and how their answers are timed and told: one page for the three clients.
//
// An order has four lines of one unit each over 100,000 SKUs, all different, popular ones more often (Zipf 0.99), as
// `orderline load` makes them. Its lines are sorted by SKU, so that databases that lock rows do not deadlock. Ids begin
// with a time, as ULIDs do. SKU 100,000 is one more, of which there is never any.
#ifndef ORDERS_H
#define ORDERS_H
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SKUS = 100000, SOLD_OUT = SKUS, LINES = 4, ID_BYTES = 16, ORDERS_MADE = 1 << 20 };
static const long long STOCK = 1000000000, UNIT_PRICE = 1999;

// What became of an order.
enum { REFUSED = 0, PLACED = 1, KNOWN = 2 };

typedef struct { unsigned char id[ID_BYTES]; uint32_t buyer; uint32_t sku[LINES]; } Order;

// Orders made before the clock runs, handed out one by one; should they run out, they come again under new ids.
typedef struct { Order *made; uint64_t handed_out; uint64_t id_high; uint64_t random; } Orders;

// When orders were answered, in microseconds since they were sent; and how many were.
typedef struct { uint32_t *us; size_t count, room; uint64_t placed; } Answers;

static inline uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

static inline int by_sku(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static inline Orders orders_make(uint64_t seed) {
    Orders orders = {malloc(ORDERS_MADE * sizeof(Order)), 0, 0, seed};
    double *below = malloc(SKUS * sizeof *below), sum = 0;
    for (int rank = 0; rank < SKUS; rank++) below[rank] = sum += 1.0 / pow(rank + 1, 0.99);
    for (int n = 0; n < ORDERS_MADE; n++) {
        Order *order = &orders.made[n];
        order->buyer = (uint32_t)n;
        for (int line = 0; line < LINES; line++) {
            int again;
            do {
                double at = (double)(next_random(&orders.random) >> 11) / 9007199254740992.0 * sum;
                int low = 0, high = SKUS - 1;
                while (low < high) {
                    int middle = (low + high) / 2;
                    if (below[middle] < at) low = middle + 1; else high = middle;
                }
                // Popular SKUs do not lie side by side in a real catalogue.
                order->sku[line] = (uint32_t)((uint64_t)low * 7919 % SKUS);
                again = 0;
                for (int before = 0; before < line; before++) again |= order->sku[before] == order->sku[line];
            } while (again);
        }
        qsort(order->sku, LINES, sizeof order->sku[0], by_sku);
    }
    free(below);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    orders.id_high = ((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000) << 16;
    return orders;
}

static inline const Order *orders_next(Orders *orders) {
    Order *order = &orders->made[orders->handed_out++ % ORDERS_MADE];
    if (orders->handed_out % 64 == 0) orders->id_high += 1 << 16;
    uint64_t high = orders->id_high, low = next_random(&orders->random);
    for (int byte = 0; byte < 8; byte++) {
        order->id[byte] = (unsigned char)(high >> (56 - 8 * byte));
        order->id[8 + byte] = (unsigned char)(low >> (56 - 8 * byte));
    }
    return order;
}

// As the last order but for its id, and with a last line that cannot be had.
static inline Order orders_sold_out(Orders *orders) {
    Order order = *orders_next(orders);
    order.sku[LINES - 1] = SOLD_OUT;
    return order;
}

static inline void answers_add(Answers *answers, uint64_t us, uint64_t placed) {
    if (answers->count == answers->room) {
        answers->room = answers->room ? answers->room * 2 : 1 << 20;
        answers->us = realloc(answers->us, answers->room * sizeof *answers->us);
        if (!answers->us) fail("out of memory");
    }
    answers->us[answers->count++] = (uint32_t)us;
    answers->placed += placed;
}

static inline int by_us(const void *a, const void *b) { return by_sku(a, b); }

static inline void answers_tell(Answers *answers, uint64_t elapsed_us) {
    qsort(answers->us, answers->count, sizeof *answers->us, by_us);
    printf("{\"placed\": %llu, \"orders_per_second\": %.1f, \"latency_us\": {\"p50\": %u, \"p99\": %u}}\n",
           (unsigned long long)answers->placed, (double)answers->placed * 1e6 / (double)elapsed_us,
           answers->us[answers->count / 2], answers->us[answers->count * 99 / 100]);
}
#endif
