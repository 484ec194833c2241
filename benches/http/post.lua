-- For wrk: orders of four lines, each in a request of its own, over the shop that `orderline load` sets up.
local alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

-- A number's last digits in Crockford's base 32, as ULIDs have them.
local function digits(value, count)
    local text = {}
    for at = count, 1, -1 do
        local digit = value % 32
        text[at] = alphabet:sub(digit + 1, digit + 1)
        value = (value - digit) / 32
    end
    return table.concat(text)
end

local run, sent, skus

function init(arguments)
    skus = tonumber(arguments[1])
    math.randomseed(os.time())
    run = digits(os.time() * 1000, 10) .. digits(math.random(0, 2 ^ 30), 8)
    sent = 0
    wrk.method = "POST"
    wrk.path = "/v1/orders"
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    sent = sent + 1
    local lines = {}
    for at = 1, 4 do
        lines[at] = string.format('{"sku":"sku-%07d","quantity":1,"unit_price_minor":1999}', math.random(1, skus))
    end
    return wrk.format(nil, nil, nil, string.format(
        '{"id":"%s%s","buyer":%d,"seller":"load-seller","currency":"EUR","region":1,"lines":[%s]}',
        run, digits(sent, 8), sent, table.concat(lines, ",")))
end
