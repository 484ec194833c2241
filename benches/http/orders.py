"""Writes COUNT orders of four lines, a line of JSON each, over the shop that `orderline load` sets up."""
import random
import sys
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def digits(value, count):
    """A number's last digits in Crockford's base 32, as ULIDs have them."""
    return "".join(ALPHABET[(value >> (5 * at)) & 31] for at in reversed(range(count)))


count, skus = int(sys.argv[1]), int(sys.argv[2])
run = digits(int(time.time() * 1000), 10) + digits(random.getrandbits(40), 8)
for number in range(count):
    lines = ",".join(
        '{"sku":"sku-%07d","quantity":1,"unit_price_minor":1999}' % random.randint(1, skus) for _ in range(4)
    )
    print(
        '{"id":"%s%s","buyer":%d,"seller":"load-seller","currency":"EUR","region":1,"lines":[%s]}'
        % (run, digits(number, 8), number + 1, lines)
    )
