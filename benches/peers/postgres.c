// Places orders in PostgreSQL: some connections, each with a thread and one transaction under way; the calls of one
// transaction are pipelined.
//
//   postgres CONNINFO SECONDS CONNECTIONS ORDERS_A_TRANSACTION
#include "orders.h"
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>

static const char *conninfo;
static uint64_t batch, stop_at_us;

typedef struct { pthread_t thread; Orders orders; Answers answers; } Caller;

static PGconn *connected(void) {
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) fail(PQerrorMessage(connection));
    PGresult *result = PQprepare(connection, "place", "SELECT place($1, $2, $3, $4, $5)", 0, 0);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(PQerrorMessage(connection));
    PQclear(result);
    if (!PQenterPipelineMode(connection)) fail("no pipeline mode");
    return connection;
}

static char *put_32(char *at, uint32_t value) {
    value = htonl(value);
    memcpy(at, &value, 4);
    return at + 4;
}

// An array in PostgreSQL's binary form.
static int put_array(char *out, uint32_t type, int item_bytes, const uint32_t *items, uint32_t item) {
    char *at = put_32(put_32(put_32(out, 1), 0), type);
    at = put_32(put_32(at, LINES), 1);
    for (int line = 0; line < LINES; line++) {
        at = put_32(at, (uint32_t)item_bytes);
        if (item_bytes == 8) at = put_32(at, 0);
        at = put_32(at, items ? items[line] : item);
    }
    return (int)(at - out);
}

static void send_order(PGconn *connection, const Order *order) {
    enum { INT4 = 23, INT8 = 20 };
    char buyer[8], skus[128], quantities[128], prices[128];
    put_32(put_32(buyer, 0), order->buyer);
    int skus_bytes = put_array(skus, INT4, 4, order->sku, 0);
    int quantities_bytes = put_array(quantities, INT4, 4, 0, 1);
    int prices_bytes = put_array(prices, INT8, 8, 0, (uint32_t)UNIT_PRICE);
    const char *values[] = {(const char *)order->id, buyer, skus, quantities, prices};
    int lengths[] = {ID_BYTES, 8, skus_bytes, quantities_bytes, prices_bytes}, formats[] = {1, 1, 1, 1, 1};
    if (!PQsendQueryPrepared(connection, "place", 5, values, lengths, formats, 1)) fail(PQerrorMessage(connection));
}

static int answer(PGconn *connection) {
    PGresult *result = PQgetResult(connection);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) fail(PQerrorMessage(connection));
    int what = PQgetvalue(result, 0, 0)[3];
    PQclear(result);
    if (PQgetResult(connection)) fail("an answer too many");
    return what;
}

static void committed(PGconn *connection) {
    PGresult *result = PQgetResult(connection);
    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) fail(PQerrorMessage(connection));
    PQclear(result);
}

static void *call(void *argument) {
    Caller *caller = argument;
    PGconn *connection = connected();
    for (uint64_t sent; (sent = now_us()) < stop_at_us;) {
        for (uint64_t n = 0; n < batch; n++) send_order(connection, orders_next(&caller->orders));
        if (!PQpipelineSync(connection)) fail(PQerrorMessage(connection));
        for (uint64_t n = 0; n < batch; n++)
            if (answer(connection) != PLACED) fail("an order was not placed");
        committed(connection);
        answers_add(&caller->answers, now_us() - sent, batch);
    }
    PQfinish(connection);
    return 0;
}

static long long number(PGconn *connection, const char *sql) {
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) fail(PQerrorMessage(connection));
    long long value = atoll(PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

int main(int argc, char **argv) {
    if (argc != 5) fail("usage: postgres CONNINFO SECONDS CONNECTIONS ORDERS_A_TRANSACTION");
    conninfo = argv[1];
    uint64_t seconds = strtoull(argv[2], 0, 10), callers_count = strtoull(argv[3], 0, 10);
    batch = strtoull(argv[4], 0, 10);
    PGconn *connection = connected();
    if (!PQexitPipelineMode(connection)) fail(PQerrorMessage(connection));
    long long placed_before = number(connection, "SELECT count(*) FROM orders");

    Caller *callers = calloc(callers_count, sizeof *callers);
    for (uint64_t n = 0; n < callers_count; n++) {
        callers[n].orders = orders_make((uint64_t)time(0) * 1000 + n);
        callers[n].answers.us = 0;
    }
    uint64_t start = now_us();
    stop_at_us = start + seconds * 1000000;
    for (uint64_t n = 0; n < callers_count; n++) pthread_create(&callers[n].thread, 0, call, &callers[n]);
    Answers all = {0};
    for (uint64_t n = 0; n < callers_count; n++) pthread_join(callers[n].thread, 0);
    uint64_t elapsed = now_us() - start;
    for (uint64_t n = 0; n < callers_count; n++)
        for (size_t at = 0; at < callers[n].answers.count; at++) answers_add(&all, callers[n].answers.us[at], batch);

    if (!PQenterPipelineMode(connection)) fail("no pipeline mode");
    const Order last = callers[0].orders.made[(callers[0].orders.handed_out - 1) % ORDERS_MADE];
    Order sold_out = orders_sold_out(&callers[0].orders);
    send_order(connection, &last);
    send_order(connection, &sold_out);
    PQpipelineSync(connection);
    if (answer(connection) != KNOWN) fail("an order was placed twice");
    if (answer(connection) != REFUSED) fail("what is not there was sold");
    committed(connection);
    PQexitPipelineMode(connection);
    long long placed = number(connection, "SELECT count(*) FROM orders");
    if (placed - placed_before != (long long)all.placed) fail("orders are not those placed");
    if (number(connection, "SELECT sum(available)::bigint FROM stock") != SKUS * STOCK - LINES * placed)
        fail("stock is not what orders left");
    PQfinish(connection);
    answers_tell(&all, elapsed);
    return 0;
}
