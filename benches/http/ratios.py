"""Rates of benches/http/console.sh, and what each is of the others, out of its lines: medians, and the lowest and highest of several."""
import statistics
import sys

rounds = {}
for line in sys.stdin:
    which, *numbers = line.split()
    rate, server, server_behind, browser, browser_behind = map(float, numbers)
    rounds.setdefault(which, []).append((rate, server_behind - server, browser_behind - browser))


def told(values, form):
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))} to {form(max(values))})"


for which in ["without", "other", "with"]:
    rates, servers, browsers = zip(*rounds[which])
    print(f"{which:8} {told(rates, '{:,.0f}'.format)} orders/s, server {told(servers, '{:.1f}'.format)} s,"
          f" browser {told(browsers, '{:.2f}'.format)} s")
for one, other in [("with", "without"), ("other", "without"), ("with", "other")]:
    ratios = [a[0] / b[0] for a, b in zip(rounds[one], rounds[other])]
    print(f"{one} to {other}: {told(ratios, '{:.2f}'.format)}")
