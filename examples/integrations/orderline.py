"""What both examples need of Orderline's API: requests that are safe to send again, and the feed. Python 3.8 or newer, nothing else."""

import json
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request

ATTEMPTS = 5


class Refused(Exception):
    """The server understood, and said no: the problem document."""

    def __init__(self, problem):
        super().__init__(problem.get("detail") or problem.get("title") or str(problem))
        self.code = problem.get("code")


class Orderline:
    def __init__(self, base, token=None):
        self.base = base.rstrip("/")
        self.token = token

    def call(self, method, path, body=None, key=None):
        """One request. Under the same key it takes effect once, however often it is sent."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = "Bearer " + self.token
        if key:
            headers["idempotency-key"] = key
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(ATTEMPTS):
            request = urllib.request.Request(self.base + path, data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                problem = json.load(error)
                if not problem.get("retryable") or attempt + 1 == ATTEMPTS:
                    raise Refused(problem)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if attempt + 1 == ATTEMPTS:
                    raise
            time.sleep(0.1 * 2**attempt)

    def page(self, position, types, wait_s, **filters):
        """The next page of the feed behind a position, and the proof that nothing lies between."""
        terms = {"from": position + 1, "types": ",".join(types), "wait_s": wait_s, **filters}
        page = self.call("GET", "/v1/events?" + urllib.parse.urlencode(terms))
        assert page["from"] == position + 1, "the page begins where it was asked to"
        return page


def open_database(path, tables):
    """The example's own data, with its place in the feed in the same database."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        "create table if not exists place (position integer not null);"
        "insert into place select 0 where not exists (select * from place);" + tables
    )
    return database


def follow(orderline, database, types, take, wait_s, **filters):
    """Takes the feed in, page by page, each in one transaction with the place behind it: so each event is taken in once, whatever
    happens in between. Returns when nothing came for `wait_s` seconds; tells how many came."""
    count = 0
    while True:
        (position,) = database.execute("select position from place").fetchone()
        page = orderline.page(position, types, wait_s, **filters)
        database.execute("begin immediate")
        for event in page["events"]:
            take(event)
        database.execute("update place set position = ?", (page["to"],))
        database.execute("commit")
        count += len(page["events"])
        if page["to"] == page["durable"] and not page["events"]:
            return count
