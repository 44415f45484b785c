-- The words that were left not too long ago.
-- KEYS: the words, when each was left. ARGV: a word's life in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. (now - ARGV[1]), '+inf', 'LIMIT', 0, 1000)
if #alive == 0 then return {} end
return redis.call('HMGET', KEYS[1], unpack(alive))
