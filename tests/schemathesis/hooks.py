"""What schemathesis is told about this API beyond its description: bounds on what waits, nowhere to post events to, and a count."""

import atexit
import collections
import json
import os
import threading

import schemathesis

# A page of events may wait for half a minute, which would be all that a run does.
WAIT_S_MAX = 1


def without_fractions(value):
    """To JSON Schema 7.0 is a whole number; here it is none, and 7 is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [without_fractions(one) for one in value]
    if isinstance(value, dict):
        return {key: without_fractions(one) for key, one in value.items()}
    return value


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Bulk takes a line for each order; a case is one."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


lock = threading.Lock()
answers = collections.Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query if isinstance(case.query, dict) else {}
    try:
        if int(query.get("wait_s", 0)) in range(WAIT_S_MAX + 1, 31):
            query["wait_s"] = WAIT_S_MAX
    except (TypeError, ValueError, OverflowError):
        pass
    case.body = without_fractions(case.body)
    # Of headers that have a pattern the tool sometimes sends less than that, nothing at all or what is between the quotes, and calls it
    # well formed.
    if case.headers and case.meta and case.meta.generation.mode.is_positive:
        for name, value in [("If-Match", '"%s"' % (str(case.headers.get("If-Match", "")).strip('"') or 1)), ("If-None-Match", "*")]:
            if name in case.headers:
                case.headers[name] = value
    body = case.body if isinstance(case.body, dict) else {}
    # Nothing leaves this machine: a host under .invalid is nobody's, by RFC 6761.
    url = body.get("url")
    if isinstance(url, str) and ":" in url and ".invalid" not in url:
        body["url"] = "https://receiver.invalid/" + str(len(url))


@schemathesis.hook
def after_call(context, case, response):
    with lock:
        answers[str(response.status_code)] += 1


@atexit.register
def tell():
    with open(os.environ["ANSWERS"], "w") as file:
        json.dump(answers, file)
