"""Asks for the newest order for SECONDS and prints how long ago that was placed: how far searches lag behind while orders flow."""
import datetime
import http.client
import json
import sys
import time

host, seconds = sys.argv[1], float(sys.argv[2])
connection = http.client.HTTPConnection(host)
lags_ms = []
end = time.time() + seconds
while time.time() < end:
    connection.request("GET", "/v1/orders?limit=1")
    newest = json.loads(connection.getresponse().read())["items"][0]
    placed_at = datetime.datetime.fromisoformat(newest["placed_at"].replace("Z", "+00:00"))
    lags_ms.append((time.time() - placed_at.timestamp()) * 1000)
    time.sleep(0.02)
lags_ms.sort()
count = len(lags_ms)
print(
    "lag p50 %.0f ms, p99 %.0f ms, max %.0f ms over %d looks"
    % (lags_ms[count // 2], lags_ms[count * 99 // 100], lags_ms[-1], count)
)
