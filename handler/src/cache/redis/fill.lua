-- Puts a page, unless a newer one of the same row is there; gives the lease back.
-- KEYS: the page, and its lease if the caller has one. ARGV: the page, its life in ms, the token.
-- A stamp is a row of 11 letters and a version of 20 digits, compared as text.
local there = redis.call('GETRANGE', KEYS[1], 0, 30)
local same_row = there:sub(1, 11) == ARGV[1]:sub(1, 11)
if not (same_row and there:sub(12) > ARGV[1]:sub(12, 31)) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
if KEYS[2] and redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
