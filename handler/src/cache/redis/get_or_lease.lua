-- The page, unless the caller has seen it; else the lease, if nobody holds it.
-- KEYS: the page, its lease. ARGV: the stamp that was seen, the token, the lease's life in ms.
local stamp = redis.call('GETRANGE', KEYS[1], 0, 30)
if stamp ~= '' and stamp ~= ARGV[1] then
  return {'page', redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return {'granted', '', 0} end
return {'held', '', 0}
