// Places orders in SQLite, in this process, one transaction after the other.
//
//   sqlite FILE SECONDS ORDERS_A_TRANSACTION
#include "orders.h"
#include <sqlite3.h>

static sqlite3 *db;
static sqlite3_stmt *begin, *commit, *insert, *take, *give, *forget;

static void run(const char *sql) {
    if (sqlite3_exec(db, sql, 0, 0, 0) != SQLITE_OK) fail(sqlite3_errmsg(db));
}
static sqlite3_stmt *prepared(const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, 0) != SQLITE_OK) fail(sqlite3_errmsg(db));
    return statement;
}
static int changed(sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) fail(sqlite3_errmsg(db));
    sqlite3_reset(statement);
    return sqlite3_changes(db);
}
static int move(sqlite3_stmt *statement, uint32_t sku, int quantity) {
    sqlite3_bind_int(statement, 1, quantity);
    sqlite3_bind_int(statement, 2, (int)sku);
    return changed(statement);
}

// The same steps as place() in postgres.sql.
static int place(const Order *order) {
    struct { uint32_t sku, quantity; uint64_t unit_price; } lines[LINES];
    for (int line = 0; line < LINES; line++) {
        lines[line].sku = order->sku[line];
        lines[line].quantity = 1;
        lines[line].unit_price = (uint64_t)UNIT_PRICE;
    }
    sqlite3_bind_blob(insert, 1, order->id, ID_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 2, order->buyer);
    sqlite3_bind_blob(insert, 3, lines, sizeof lines, SQLITE_STATIC);
    if (!changed(insert)) return KNOWN;
    for (int line = 0; line < LINES; line++) {
        if (move(take, order->sku[line], 1)) continue;
        for (int taken = 0; taken < line; taken++) move(give, order->sku[taken], 1);
        sqlite3_bind_blob(forget, 1, order->id, ID_BYTES, SQLITE_STATIC);
        changed(forget);
        return REFUSED;
    }
    return PLACED;
}

static long long number(const char *sql) {
    sqlite3_stmt *statement = prepared(sql);
    if (sqlite3_step(statement) != SQLITE_ROW) fail(sqlite3_errmsg(db));
    long long value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

int main(int argc, char **argv) {
    if (argc != 4) fail("usage: sqlite FILE SECONDS ORDERS_A_TRANSACTION");
    uint64_t seconds = strtoull(argv[2], 0, 10), batch = strtoull(argv[3], 0, 10);
    if (sqlite3_open(argv[1], &db) != SQLITE_OK) fail(sqlite3_errmsg(db));
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA cache_size = -262144; PRAGMA wal_autocheckpoint = 16384;");
    run("CREATE TABLE stock (sku INTEGER PRIMARY KEY, available INTEGER NOT NULL);"
        "CREATE TABLE orders (id BLOB PRIMARY KEY, buyer INTEGER NOT NULL, lines BLOB NOT NULL) WITHOUT ROWID;");
    begin = prepared("BEGIN IMMEDIATE");
    commit = prepared("COMMIT");
    insert = prepared("INSERT INTO orders VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");
    take = prepared("UPDATE stock SET available = available - ?1 WHERE sku = ?2 AND available >= ?1");
    give = prepared("UPDATE stock SET available = available + ?1 WHERE sku = ?2");
    forget = prepared("DELETE FROM orders WHERE id = ?1");
    sqlite3_stmt *fill = prepared("INSERT INTO stock VALUES (?2, ?1)");
    changed(begin);
    for (uint32_t sku = 0; sku <= SKUS; sku++) move(fill, sku, sku < SKUS ? (int)STOCK : 0);
    changed(commit);
    run("PRAGMA wal_checkpoint(TRUNCATE)");

    Orders orders = orders_make(1);
    Answers answers = {0};
    uint64_t start = now_us(), now = start;
    while (now - start < seconds * 1000000) {
        uint64_t sent = now;
        changed(begin);
        for (uint64_t n = 0; n < batch; n++)
            if (place(orders_next(&orders)) != PLACED) fail("an order was not placed");
        changed(commit);
        now = now_us();
        answers_add(&answers, now - sent, batch);
    }
    uint64_t elapsed = now - start;

    const Order last = orders.made[(orders.handed_out - 1) % ORDERS_MADE];
    if (place(&last) != KNOWN) fail("an order was placed twice");
    Order sold_out = orders_sold_out(&orders);
    if (place(&sold_out) != REFUSED) fail("what is not there was sold");
    if (number("SELECT count(*) FROM orders") != (long long)answers.placed) fail("orders are not those placed");
    if (number("SELECT sum(available) FROM stock") != SKUS * STOCK - LINES * (long long)answers.placed)
        fail("stock is not what orders left");
    answers_tell(&answers, elapsed);
    return 0;
}
