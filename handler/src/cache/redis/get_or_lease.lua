-- The page and the time, unless the caller has seen it; else the lease, if nobody holds it.
-- KEYS: the page, its lease. ARGV: the stamp that was seen, the token, the lease's life in ms.
-- `MGET` takes what is no text for nothing, as who reads the page does.
local page = redis.call('MGET', KEYS[1])[1] or ''
local stamp = page:sub(1, 31)
if stamp ~= '' and stamp ~= ARGV[1] then
  return {'page', {page, redis.call('TIME')}}
end
-- What does not end by itself is nobody's lease.
if redis.call('PTTL', KEYS[2]) >= 0 then return {'held', false} end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {'granted', false}
