#!/usr/bin/env python3
"""A stand-in for a carrier: takes the packages that were handed over out of Orderline's feed, and sends tracking updates in.

    examples/integrations/carrier.py --api http://127.0.0.1:7412 --database carrier.db --carrier 7 --deliver --wait 5

A package is this carrier's if it has the carrier's number. Each update has a key of its own, so sending it again, after whatever
went wrong, changes nothing.
"""

import argparse
import datetime
import json
import sys

from orderline import Orderline, Refused, follow, open_database

TABLES = """
    create table if not exists packages (
        id text, shipment integer, tracking text, is_sent integer, state text, primary key (id, shipment)
    );
    create table if not exists scans (
        id text, shipment integer, step text, at text, primary key (id, shipment, step)
    );
"""

TYPES = ["org.orderline.shipment.made.v1", "org.orderline.shipment.updated.v1"]


def take_into(database, carrier):
    def take(event):
        data = event["data"]
        key = (data["order"], data["shipment"])
        if data["kind"] == "ShipmentMade" and data["carrier"] == carrier:
            state = "shipped" if data["is_sent"] else "created"
            row = (*key, data["tracking"], data["is_sent"], state)
            database.execute("insert into packages values (?, ?, ?, ?, ?)", row)
        elif data["kind"] == "ShipmentUpdated":
            # What comes back out of the feed is what counts, the carrier's own updates included.
            update = "update packages set state = ? where id = ? and shipment = ?"
            database.execute(update, (data["state"], *key))

    return take


def update(orderline, database, order, shipment, step):
    # When it was scanned is kept before it is sent, so that it is the same request if it is sent again.
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    database.execute("insert or ignore into scans values (?, ?, ?, ?)", (order, shipment, step, now))
    query = "select at from scans where id = ? and shipment = ? and step = ?"
    (at,) = database.execute(query, (order, shipment, step)).fetchone()
    path = f"/v1/orders/{order}/shipments/{shipment}/steps"
    body = {"step": step, "happened_at": at}
    return orderline.call("POST", path, body, f"carrier:{order}:{shipment}:{step}")


def main():
    parser = argparse.ArgumentParser(description="A stand-in for a carrier.")
    parser.add_argument("--api", required=True, help="Orderline's HTTP address, such as http://127.0.0.1:7412")
    parser.add_argument("--token", help="an access token, 64 hexadecimal digits")
    parser.add_argument("--database", required=True, help="the carrier's own SQLite file")
    parser.add_argument("--carrier", type=int, required=True, help="the carrier's number, as packages name it")
    parser.add_argument("--deliver", action="store_true", help="deliver what is on its way")
    parser.add_argument("--wait", type=int, default=0, help="seconds of silence in the feed after which it ends")
    arguments = parser.parse_args()
    orderline = Orderline(arguments.api, arguments.token)
    database = open_database(arguments.database, TABLES)
    take = take_into(database, arguments.carrier)
    follow(orderline, database, TYPES, take, arguments.wait)
    refused_count = 0
    for state, step in [("created", "send"), ("shipped", "deliver")]:
        if step == "deliver" and not arguments.deliver:
            continue
        rows = database.execute("select id, shipment from packages where state = ?", (state,)).fetchall()
        for order, shipment in rows:
            try:
                update(orderline, database, order, shipment, step)
            except Refused as refused:
                refused_count += 1
                print(f"package {shipment} of {order}: {step} was refused: {refused}", file=sys.stderr)
        follow(orderline, database, TYPES, take, arguments.wait)
    states = dict(database.execute("select state, count(*) from packages group by state"))
    print(json.dumps({"packages": states, "refused": refused_count}))
    return 1 if refused_count else 0


if __name__ == "__main__":
    sys.exit(main())
