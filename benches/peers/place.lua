-- Places orders in Redis, one or several: each is known before (2), refused and nothing is changed (0), or placed (1).
-- KEYS: an order's key each. ARGV: its bytes, then SKU and quantity of each of its four lines.
-- Scripts run alone, so all that is checked still holds when it is changed.
local answers = {}
for order = 1, #KEYS do
    local at = (order - 1) * 9
    if not redis.call('SET', KEYS[order], ARGV[at + 1], 'NX') then
        answers[order] = 2
    else
        local left = redis.call('HMGET', 'stock', ARGV[at + 2], ARGV[at + 4], ARGV[at + 6], ARGV[at + 8])
        answers[order] = 1
        for line = 1, 4 do
            left[line] = tonumber(left[line]) - tonumber(ARGV[at + 2 * line + 1])
            if left[line] < 0 then
                answers[order] = 0
            end
        end
        if answers[order] == 1 then
            redis.call('HSET', 'stock', ARGV[at + 2], left[1], ARGV[at + 4], left[2], ARGV[at + 6], left[3],
                ARGV[at + 8], left[4])
        else
            redis.call('DEL', KEYS[order])
        end
    end
end
return answers
