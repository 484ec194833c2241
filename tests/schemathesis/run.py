"""Runs schemathesis against a server with tokens and example data, round by round under rising seeds, until it has made as many
calls as were asked for. See tests/schemathesis.sh."""

import atexit
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ORDERLINE = os.environ["ORDERLINE"]
SCHEMATHESIS = os.environ["SCHEMATHESIS"]
CALLS = int(sys.argv[1])
SEED = int(os.environ.get("SEED", "1"))

# What each role's rounds are, in turn: the operator gets through to everything, a seller is refused most of it.
ROLES = ["operator", "seller"]


class Server:
    """`orderline serve` on a directory of its own, and a caller of it that may do everything."""

    def __init__(self, folder):
        self.data = folder / "data"
        made = json.loads(subprocess.check_output([ORDERLINE, "token", "new", "--json"]))
        self.secret = made["secret"]
        config = folder / "orderline.toml"
        config.write_text(f'[access]\noperator_token_hash = "{made["hash"]}"\n')
        listen = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        serve = [ORDERLINE, "serve", "--data", self.data, "--config", config, *listen]
        self.log = open(folder / "server.log", "w+")
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=self.log, text=True)
        atexit.register(self.process.kill)
        line = self.process.stdout.readline().split()
        if line[:1] != ["ready"]:
            sys.exit(f"tests/schemathesis.sh: the server did not start: {self.said()}")
        self.base = "http://" + line[2]

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def call(self, method, path, body=None):
        headers = {"authorization": "Bearer " + self.secret, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            sys.exit(f"tests/schemathesis.sh: {method} {path}: {error.read().decode()}")

    def stop(self):
        """Its exit code; what is on disk is verified if it ended well."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        if code != 0:
            return f"the server ended with {code}: {self.said()}"
        verified = subprocess.run([ORDERLINE, "verify", "--data", self.data], capture_output=True, text=True)
        return None if verified.returncode == 0 else f"verify ended with {verified.returncode}: {verified.stderr}"


def examples(server):
    """Something of each kind in several states, so that there are ids to meet; returns what there is, by the name of its list."""
    call = server.call
    call("PUT", "/v1/policy", {"pending_order_s": 0, "retention_s": 0, "reservation_s_max": 86_400})
    for seller in ["acme", "bolt"]:
        call("PUT", f"/v1/sellers/{seller}", {"commission_bp": 1_000})
    for location in ["leeds", "york"]:
        call("PUT", f"/v1/locations/{location}", {"priority": 1, "region": 44})
    for sku, seller in [("tea", "acme"), ("cup", "acme"), ("nut", "bolt")]:
        call("PUT", f"/v1/skus/{sku}", {"seller": seller, "currency": "GBP"})
        for location in ["leeds", "york"]:
            call("POST", f"/v1/stock/{sku}/{location}/receipts", {"quantity": 100_000})
    ids = iter(call("GET", "/v1/ids?count=20"))
    orders, groups, reservations = [], [], []
    lines = [{"sku": "tea", "quantity": 2, "unit_price_minor": 250}, {"sku": "cup", "quantity": 1, "unit_price_minor": 900}]
    for state in ["pending", "confirmed", "shipped", "delivered", "returned", "held", "cancelled"]:
        order = next(ids)
        placed = {"id": order, "buyer": 7, "seller": "acme", "currency": "GBP", "external_id": f"shop-{state}", "lines": lines}
        call("POST", "/v1/orders", placed)
        orders.append(order)
        groups.append(order)
        at = f"/v1/orders/{order}"
        if state == "cancelled":
            call("POST", f"{at}/cancel", {})
        if state == "held":
            call("POST", f"{at}/holds", {"kind": "fraud", "blocks": ["confirm"]})
        if state in ["pending", "held", "cancelled"]:
            continue
        call("POST", f"/v1/groups/{order}/authorizations", {"amount_minor": 1_400, "currency": "GBP"})
        call("POST", f"{at}/confirm")
        if state == "confirmed":
            continue
        call("POST", f"/v1/groups/{order}/captures", {"amount_minor": 1_400})
        call("POST", f"{at}/shipments", {"carrier": 4, "tracking": "1Z", "is_sent": True})
        if state == "shipped":
            continue
        call("POST", f"{at}/shipments/1/steps", {"step": "deliver"})
        if state == "returned":
            call("POST", f"{at}/returns", {})
            call("POST", f"{at}/refunds", {"amount_minor": 500})
    for _ in range(2):
        reservation = next(ids)
        held = {"id": reservation, "buyer": 7, "seconds": 86_400, "lines": [{"sku": "nut", "quantity": 1}]}
        call("POST", "/v1/reservations", held)
        reservations.append(reservation)
    call("PUT", "/v1/consumers/erp", {"position": 3})
    made = call("POST", "/v1/webhooks", {"url": "https://receiver.invalid/hook", "label": "erp"})
    return {
        "orders": orders,
        "groups": groups,
        "reservations": reservations,
        "sellers": ["acme", "bolt"],
        "locations": ["leeds", "york"],
        "skus": ["tea", "cup", "nut"],
        "currencies": ["GBP"],
        "consumers": ["erp"],
        "webhooks": [made["endpoint"]],
        "numbers": [1, 2],
        "lines": [0, 1],
        "sequences": [1, 5, 20],
        "types": ["org.orderline.order.placed.v1", "org.orderline.stock.received.v1,org.orderline.order.confirmed.v1"],
        "fresh": call("GET", "/v1/ids?count=50"),
        "urls": ["https://receiver.invalid/hook"],
    }


def configuration(values):
    """schemathesis.toml with these lists in it."""
    lists = "".join(f"[dictionaries.{name}]\nvalues = {json.dumps(entries)}\n" for name, entries in values.items())
    return (HERE / "schemathesis.toml").read_text() + lists


def secret_of(server, role, label):
    if role == "operator":
        return server.secret
    return server.call("POST", "/v1/tokens", {"label": label, "role": role, "seller": "acme"})["secret"]


def main():
    answers, failed, round_number = collections.Counter(), [], 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        while sum(answers.values()) < CALLS:
            role, seed = ROLES[round_number % len(ROLES)], SEED + round_number
            place = folder / str(round_number)
            place.mkdir()
            server = Server(place)
            (place / "schemathesis.toml").write_text(configuration(examples(server)))
            secret = secret_of(server, role, f"{role} {seed}")
            environment = {**os.environ, "ANSWERS": str(place / "answers.json"), "PYTHONPATH": str(HERE)}
            arguments = ["run", server.base + "/v1/openapi.json", "--seed", str(seed), "--header", f"Authorization: Bearer {secret}"]
            print(f"== round {round_number}: {role}, seed {seed}", flush=True)
            ran = subprocess.run([SCHEMATHESIS, *arguments], cwd=place, env=environment)
            answers.update(json.loads((place / "answers.json").read_text()))
            wrong = server.stop()
            if ran.returncode != 0:
                failed.append(f"{role}, seed {seed}: schemathesis ended with {ran.returncode}")
            if wrong:
                failed.append(f"{role}, seed {seed}: {wrong}")
            round_number += 1
    told = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))
    print(f"{sum(answers.values())} calls in {round_number} rounds from seed {SEED} on: {told}")
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
