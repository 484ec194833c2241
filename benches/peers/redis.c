// Places orders in Redis through a script, over some connections, each with some calls under way.
//
//   redis SOCKET SCRIPT SECONDS CONNECTIONS CALLS_UNDER_WAY ORDERS_A_CALL
#include "orders.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ORDER_BYTES_MAX = 512, CALLS_MAX = 8192, INPUT_BYTES = 1 << 20 };

typedef struct {
    int socket;
    char *out, *in;
    size_t out_from, out_to, in_from, in_to, out_room;
    uint64_t sent_us[CALLS_MAX], sent, answered;
} Connection;

static Orders orders;
static char sha[64];
static uint64_t batch;

static int connected(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) fail("the socket's path is too long");
    strcpy(address.sun_path, path);
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    if (socket_ < 0 || connect(socket_, (struct sockaddr *)&address, sizeof address)) fail("cannot connect to redis");
    return socket_;
}

static void put(Connection *c, const void *bytes, size_t count) {
    if (c->out_to + count > c->out_room) fail("too much under way");
    memcpy(c->out + c->out_to, bytes, count);
    c->out_to += count;
}
static void put_text(Connection *c, const void *bytes, size_t count) {
    char head[32];
    put(c, head, (size_t)sprintf(head, "$%zu\r\n", count));
    put(c, bytes, count);
    put(c, "\r\n", 2);
}
static void put_number(Connection *c, unsigned long long value) {
    char text[32];
    put_text(c, text, (size_t)sprintf(text, "%llu", value));
}

static void put_order(Connection *c, const Order *order) {
    struct { uint32_t buyer, reserved; struct { uint32_t sku, quantity; uint64_t unit_price; } lines[LINES]; } body = {0};
    body.buyer = order->buyer;
    for (int line = 0; line < LINES; line++) {
        body.lines[line].sku = order->sku[line];
        body.lines[line].quantity = 1;
        body.lines[line].unit_price = (uint64_t)UNIT_PRICE;
    }
    put_text(c, &body, sizeof body);
    for (int line = 0; line < LINES; line++) {
        put_number(c, order->sku[line]);
        put_number(c, 1);
    }
}

static void put_call(Connection *c, const Order *first, uint64_t count) {
    char head[64];
    Order made[1000];
    put(c, head, (size_t)sprintf(head, "*%llu\r\n", (unsigned long long)(3 + 10 * count)));
    put_text(c, "EVALSHA", 7);
    put_text(c, sha, strlen(sha));
    put_number(c, count);
    for (uint64_t n = 0; n < count; n++) {
        made[n] = first ? *first : *orders_next(&orders);
        put_text(c, made[n].id, ID_BYTES);
    }
    for (uint64_t n = 0; n < count; n++) put_order(c, &made[n]);
}

static void flush(Connection *c) {
    while (c->out_from < c->out_to) {
        ssize_t count = send(c->socket, c->out + c->out_from, c->out_to - c->out_from, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count <= 0) return;
        c->out_from += (size_t)count;
    }
    c->out_from = c->out_to = 0;
}

// The value of the whole line ":value" or "*value" at `at`; -1: not whole yet.
static long long line_value(Connection *c, size_t *at, char kind) {
    char *end = memchr(c->in + *at, '\n', c->in_to - *at);
    if (!end) return -1;
    if (c->in[*at] != kind) {
        fwrite(c->in + *at, 1, (size_t)(end - c->in) - *at, stderr);
        fail(" is not what redis should say");
    }
    long long value = strtoll(c->in + *at + 1, 0, 10);
    *at = (size_t)(end - c->in) + 1;
    return value;
}

// Takes one whole answer of `count` orders, all of which must have come to `expected`.
static int take_answer(Connection *c, uint64_t count, int expected) {
    size_t at = c->in_from;
    if (line_value(c, &at, '*') != (long long)count) return 0;
    for (uint64_t n = 0; n < count; n++) {
        long long value = line_value(c, &at, ':');
        if (value < 0) return 0;
        if (value != expected) fail("an order did not come to what it should");
    }
    c->in_from = at;
    return 1;
}

static void read_more(Connection *c) {
    memmove(c->in, c->in + c->in_from, c->in_to - c->in_from);
    c->in_to -= c->in_from;
    c->in_from = 0;
    ssize_t count = recv(c->socket, c->in + c->in_to, INPUT_BYTES - c->in_to, 0);
    if (count <= 0) fail("redis has gone");
    c->in_to += (size_t)count;
}

// A question outside the measuring: sends what is put and returns the line that answers it, without its first letter.
static char *ask(Connection *c) {
    flush(c);
    read_more(c);
    static char line[128];
    size_t length = strcspn(c->in, "\r");
    size_t from = c->in[0] == '$' ? strcspn(c->in, "\n") + 1 : 1;
    if (c->in[0] == '$') length = from + strcspn(c->in + from, "\r");
    snprintf(line, sizeof line, "%.*s", (int)(length - from), c->in + from);
    c->in_from = c->in_to;
    return line;
}

static Connection *connection_make(const char *path, size_t room) {
    Connection *c = calloc(1, sizeof *c);
    *c = (Connection){.socket = connected(path), .out = malloc(room), .in = malloc(INPUT_BYTES), .out_room = room};
    return c;
}

int main(int argc, char **argv) {
    if (argc != 7) fail("usage: redis SOCKET SCRIPT SECONDS CONNECTIONS CALLS_UNDER_WAY ORDERS_A_CALL");
    uint64_t seconds = strtoull(argv[3], 0, 10), count = strtoull(argv[4], 0, 10);
    uint64_t under_way = strtoull(argv[5], 0, 10);
    batch = strtoull(argv[6], 0, 10);
    if (batch > 1000 || under_way > CALLS_MAX) fail("at most 1000 orders a call, 8192 calls under way");
    orders = orders_make((uint64_t)time(0));

    Connection *control = connection_make(argv[1], 16 << 20);
    static char script[8192];
    FILE *file = fopen(argv[2], "r");
    if (!file) fail(argv[2]);
    size_t script_bytes = fread(script, 1, sizeof script, file);
    put(control, "*3\r\n", 4);
    put_text(control, "SCRIPT", 6);
    put_text(control, "LOAD", 4);
    put_text(control, script, script_bytes);
    strcpy(sha, ask(control));
    for (uint32_t sku = 0; sku <= SKUS; sku++) {
        put(control, "*4\r\n", 4);
        put_text(control, "HSETNX", 6);
        put_text(control, "stock", 5);
        put_number(control, sku);
        put_number(control, sku < SKUS ? (unsigned long long)STOCK : 0);
        if (sku % 100 == 0 || sku == SKUS) {
            for (uint32_t n = sku % 100 == 0 && sku ? 100 : 1; n > 0;) {
                flush(control);
                read_more(control);
                for (size_t at = control->in_from; at < control->in_to; at++) n -= control->in[at] == '\n';
                control->in_from = control->in_to;
            }
        }
    }
    put(control, "*1\r\n$6\r\nDBSIZE\r\n", 16);
    long long keys_before = atoll(ask(control));

    Connection **connections = calloc(count, sizeof *connections);
    struct pollfd *polled = calloc(count, sizeof *polled);
    for (uint64_t n = 0; n < count; n++) {
        connections[n] = connection_make(argv[1], (under_way + 1) * batch * ORDER_BYTES_MAX + 4096);
        polled[n].fd = connections[n]->socket;
    }
    Answers answers = {0};
    uint64_t start = now_us(), now = start, open = 0;
    for (;;) {
        int is_over = now - start >= seconds * 1000000;
        if (is_over && open == 0) break;
        for (uint64_t n = 0; n < count; n++) {
            Connection *c = connections[n];
            // New calls are put when half of them are answered, so that they travel together.
            if (!is_over && c->out_to == 0 && c->sent - c->answered <= under_way / 2)
                while (c->sent - c->answered < under_way) {
                    put_call(c, 0, batch);
                    c->sent_us[c->sent++ % CALLS_MAX] = now;
                    open++;
                }
            flush(c);
            polled[n].events = (short)(POLLIN | (c->out_to ? POLLOUT : 0));
        }
        if (poll(polled, count, 10000) <= 0) fail("redis says nothing");
        now = now_us();
        for (uint64_t n = 0; n < count; n++) {
            if (!(polled[n].revents & POLLIN)) continue;
            Connection *c = connections[n];
            read_more(c);
            while (take_answer(c, batch, PLACED)) {
                answers_add(&answers, now - c->sent_us[c->answered++ % CALLS_MAX], batch);
                open--;
            }
        }
    }
    uint64_t elapsed = now - start;

    const Order last = orders.made[(orders.handed_out - 1) % ORDERS_MADE];
    Order sold_out = orders_sold_out(&orders);
    for (int n = 0; n < 2; n++) {
        put_call(control, n ? &sold_out : &last, 1);
        flush(control);
        read_more(control);
        while (!take_answer(control, 1, n ? REFUSED : KNOWN)) read_more(control);
    }
    put(control, "*1\r\n$6\r\nDBSIZE\r\n", 16);
    if (atoll(ask(control)) - keys_before != (long long)answers.placed) fail("orders are not those placed");
    static const char sum_script[] = "local sum = 0 for _, left in ipairs(redis.call('HVALS', 'stock')) do sum = sum + left "
                                     "end return string.format('%.0f', sum)";
    put(control, "*3\r\n", 4);
    put_text(control, "EVAL", 4);
    put_text(control, sum_script, sizeof sum_script - 1);
    put_number(control, 0);
    long long placed_ever = keys_before - 1 + (long long)answers.placed;
    if (atoll(ask(control)) != SKUS * STOCK - LINES * placed_ever) fail("stock is not what orders left");
    answers_tell(&answers, elapsed);
    return 0;
}
