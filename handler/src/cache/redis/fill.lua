-- Puts a page and when it ends, unless a newer one of the same row is there; gives the lease back.
-- KEYS: the page, and its lease if the caller has one. ARGV: the page, its life in ms, the token.
-- A stamp is a row of 11 letters and a version of 20 digits, compared as text.
-- `MGET` takes what is no text for nothing, as who reads the page does.
local there = redis.call('MGET', KEYS[1])[1] or ''
local same_row = there:sub(1, 11) == ARGV[1]:sub(1, 11)
if not (same_row and there:sub(12, 31) > ARGV[1]:sub(12, 31)) then
  local time = redis.call('TIME')
  local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
  redis.call('SET', KEYS[1], ARGV[1] .. string.format('%013.0f', ends), 'PX', ARGV[2])
end
if KEYS[2] and redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
