#!/usr/bin/env python3
"""A stand-in for an ERP: takes orders out of Orderline's feed, and sends the stock of its warehouse in.

    examples/integrations/erp.py --api http://127.0.0.1:7412 --database erp.db --wait 5
    examples/integrations/erp.py --api http://127.0.0.1:7412 --database erp.db --stock tea leeds 120

Stock is sent as it was counted and as of the place in the feed up to which the ERP has seen orders: what was sold since is not
taken off twice, and not forgotten.
"""

import argparse
import json
import sys

from orderline import Orderline, Refused, follow, open_database

TABLES = """
    create table if not exists orders (id text primary key, seller text, state text, placed text);
    create table if not exists lines (id text, line integer, sku text, quantity integer, primary key (id, line));
"""

TYPES = [
    "org.orderline.order.placed.v1",
    "org.orderline.group.placed.v1",
    "org.orderline.order.confirmed.v1",
    "org.orderline.order.lines_cancelled.v1",
]


def take_into(database):
    def place(order, seller, placed, lines):
        # Not "or replace": that an event comes once is what this is to show.
        database.execute("insert into orders values (?, ?, 'pending', ?)", (order, seller, placed))
        rows = [(order, index, line["sku"], line["quantity"]) for index, line in enumerate(lines)]
        database.executemany("insert into lines values (?, ?, ?, ?)", rows)

    def take(event):
        data = event["data"]
        kind = data["kind"]
        if kind == "OrderPlaced":
            place(data["order"], data["seller"], event["time"], data["lines"])
        elif kind == "GroupPlaced":
            for order in data["orders"]:
                lines = [line for line in data["lines"] if line["order"] == order["order"]]
                place(order["order"], order["seller"], event["time"], lines)
        elif kind == "OrderConfirmed":
            database.execute("update orders set state = 'confirmed' where id = ?", (data["order"],))
        elif kind == "LinesCancelled":
            database.execute("update orders set state = ? where id = ?", (data["state"], data["order"]))

    return take


def main():
    parser = argparse.ArgumentParser(description="A stand-in for an ERP.")
    parser.add_argument("--api", required=True, help="Orderline's HTTP address, such as http://127.0.0.1:7412")
    parser.add_argument("--token", help="an access token, 64 hexadecimal digits")
    parser.add_argument("--database", required=True, help="the ERP's own SQLite file")
    parser.add_argument("--wait", type=int, default=0, help="seconds of silence in the feed after which it ends")
    parser.add_argument("--stock", nargs=3, metavar=("SKU", "LOCATION", "ON_HAND"), help="what was counted")
    arguments = parser.parse_args()
    orderline = Orderline(arguments.api, arguments.token)
    database = open_database(arguments.database, TABLES)
    came = follow(orderline, database, TYPES, take_into(database), arguments.wait)
    (position,) = database.execute("select position from place").fetchone()
    told = {"events": came, "position": position}
    if arguments.stock:
        sku, location, on_hand = arguments.stock
        level = {"on_hand": int(on_hand), "as_of": position}
        # The same count as of the same place is the same request, should this be run again.
        key = f"erp:{sku}:{location}:{on_hand}:{position}"
        try:
            told["available"] = orderline.call("PUT", f"/v1/stock/{sku}/{location}", level, key)["units"]
        except Refused as refused:
            print(f"the level of {sku} at {location} was refused: {refused}", file=sys.stderr)
            return 1
    told["orders"] = dict(database.execute("select state, count(*) from orders group by state"))
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
