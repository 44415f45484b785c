-- Raises published versions and tells which have risen.
-- KEYS: the versions. ARGV: the channel, then each row with its version.
-- Numbers stay texts: a number of this language is exact up to 2^53 only.
local function is_above(one, other)
  if #one ~= #other then return #one > #other end
  return one > other
end

-- What the program reads as a version, so whatever else somebody has put there is replaced.
local MAX = '9223372036854775807'
local function is_version(text)
  return #text <= #MAX and (text == '0' or text:find('^[1-9]%d*$') ~= nil)
    and not is_above(text, MAX)
end

-- `unpack` gives a few thousand values at the most.
local PIECE = 2000
local risen = {}
for first = 2, #ARGV, PIECE do
  local last = math.min(first + PIECE - 1, #ARGV)
  local rows = {}
  for at = first, last, 2 do rows[#rows + 1] = ARGV[at] end
  local known = redis.call('HMGET', KEYS[1], unpack(rows))
  local higher = {}
  for n, row in ipairs(rows) do
    local version = ARGV[first + 2 * n - 1]
    if not known[n] or not is_version(known[n]) or is_above(version, known[n]) then
      higher[#higher + 1] = row
      higher[#higher + 1] = version
    end
  end
  if #higher > 0 then
    redis.call('HSET', KEYS[1], unpack(higher))
    risen[#risen + 1] = table.concat(higher, ' ')
  end
end
if #risen > 0 then redis.call('PUBLISH', ARGV[1], table.concat(risen, ' ')) end
