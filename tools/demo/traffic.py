# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The clients of the demo.

traffic.py data FILE                     the training data, a JSON object a row: the reference
traffic.py send PORT N [NAME=SIGMAS]     N requests, about 80 a second: rows drawn from the data with a
                                         little noise, one feature moved by so many standard deviations
traffic.py summary FILE                  what modelsnoop said at the end, from its JSONL
traffic.py alerts FILE NAME              status 0 if an alert names that feature, 1 if none does, 2 if
                                         only others are named
"""
import http.client
import json
import random
import sys
import time

REQUESTS_A_SECOND = 80
NOISE = 0.05  # standard deviations


def data():
    from sklearn.datasets import load_wine

    wine = load_wine()
    names = [name.replace("/", "_") for name in wine.feature_names]
    return names, wine.data


def write_data(path):
    names, rows = data()
    rows = list(rows)
    random.Random(1).shuffle(rows)  # the data set is sorted by class, requests are not
    with open(path, "w") as f:
        for row in rows:
            f.write(json.dumps(dict(zip(names, map(float, row)))) + "\n")


def send(port, n, moved=None, sigmas=0.0):
    names, rows = data()
    spread = rows.std(axis=0)
    rng = random.Random(7 if moved is None else 8)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    due = time.monotonic()
    for _ in range(n):
        row = rng.choice(rows)
        features = {}
        for name, value, sd in zip(names, row, spread):
            value += rng.gauss(0, NOISE) * sd + (sigmas * sd if name == moved else 0)
            features[name] = round(float(value), 3)
        connection.request("POST", "/v1/predict", json.dumps({"features": features}),
                           {"Content-Type": "application/json", "User-Agent": "shop/2.1"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            sys.exit(f"traffic: the model server answered {reply.status}")
        due += 1 / REQUESTS_A_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


def records(path):
    with open(path) as f:
        for line in f:
            if line.endswith("\n"):
                yield json.loads(line)


def alerts(path, name):
    named = [feature for r in records(path) if r["type"] == "alert" for feature in r.get("features", [])]
    if any(feature.split(".")[-1] == name for feature in named):
        return 0
    return 2 if named else 1


def summary(path):
    every = list(records(path))
    exchanges = [r for r in every if r["type"] == "exchange"]
    last = [r for r in every if r["type"] == "self"][-1]
    took = sorted(r["duration"] for r in exchanges)
    cpu = last["modelsnoop.self.cpu.time"]
    print(f"exchanges     {len(exchanges)}, of which {sum(r['exchange.outcome'] == 'ok' for r in exchanges)} ok")
    print(f"duration      median {took[len(took) // 2] * 1e3:.1f} ms, "
          f"99 % below {took[int(len(took) * 0.99)] * 1e3:.1f} ms")
    print(f"lost          {sum(last['modelsnoop.self.lost'].values())} events")
    print(f"its own cost  {cpu:.2f} s of CPU, {last['modelsnoop.self.memory.usage'] / 1048576:.0f} MiB of memory")
    for r in every:
        if r["type"] == "alert":
            print(f"alert         {r['summary']}")


def main():
    command, *args = sys.argv[1:]
    if command == "data":
        write_data(args[0])
    elif command == "send":
        name, _, sigmas = (args[2] if len(args) > 2 else "=0").partition("=")
        send(int(args[0]), int(args[1]), name or None, float(sigmas))
    elif command == "alerts":
        return alerts(*args)
    else:
        summary(args[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
