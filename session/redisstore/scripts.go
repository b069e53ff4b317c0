package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
)

// script is one transaction in Lua. Redis runs it alone, and writes all that it changed
// as one step.
type script struct{ source, sha string }

func newScript(body string) script {
	source := prelude + body
	sum := sha1.Sum([]byte(source)) // the name that EVALSHA knows it by, no protection
	return script{source, hex.EncodeToString(sum[:])}
}

// Replies are strings and lists of strings: never nil, which clients turn into errors of
// their own, and never a number, which Lua would cut. Times are microseconds: below 2^53,
// as Lua's numbers must be, until the year 2255. The zero Time and the version are not
// computed with.
//
// The fields of a session: h handle, u user, v version, d data, a AAL, m methods,
// p persist, c created, t authentication time, x absolute end, e seen, i idle until,
// o the hash of the key that a rotation replaced, w the number of the call that wrote.
const prelude = `
local base = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function int(n) return string.format('%.0f', n) end
local function session(hash) return base .. 's:' .. hash end
local function index(user) return base .. 'u:' .. user end
local function became(hash) return base .. 'o:' .. hash end

local function epoch(user)
	return redis.call('GET', base .. 'e:' .. user) or '1'
end

local function live(hash)
	local idle = redis.call('HGET', session(hash), 'i')
	return idle and now < tonumber(idle)
end

local function drop(hash)
	local f = redis.call('HMGET', session(hash), 'u', 'h', 'o')
	redis.call('DEL', session(hash))
	if f[1] and f[1] ~= '' and redis.call('HGET', index(f[1]), f[2]) == hash then
		redis.call('HDEL', index(f[1]), f[2])
	end
	if f[3] then redis.call('DEL', became(f[3])) end
end

-- Redis removes a key at a whole millisecond: at the one after the end.
local function extend(hash, idle, known)
	local ends = tonumber(redis.call('HGET', session(hash), 'x'))
	local upto = math.min(math.max(known, now + idle), ends)
	redis.call('HSET', session(hash), 'e', int(now), 'i', int(upto))
	redis.call('PEXPIREAT', session(hash), int(math.ceil(upto / 1000)))
end

-- What is live and has the number of this call was written by it: the client has sent
-- it again, because it did not get the answer.
local function done(hash, call)
	return live(hash) and redis.call('HGET', session(hash), 'w') == call
end

-- The arguments of a record begin at ARGV[n].
local function record(n)
	local r = {}
	for i, name in ipairs({'hash', 'idle', 'h', 'u', 'v', 'd', 'a', 'm', 'p', 'c', 't', 'x', 'w'}) do
		r[name] = ARGV[n + i - 1]
	end
	return r
end

-- refuses says why r cannot be inserted in the place of the session old.
local function refuses(r, expected, old)
	if r.u == '' then
		return live(r.hash) and r.hash ~= old and 'conflict'
	end
	if epoch(r.u) ~= expected then return 'stale' end
	if live(r.hash) and r.hash ~= old then return 'conflict' end
	local same = redis.call('HGET', index(r.u), r.h)
	return same and same ~= old and live(same) and 'conflict'
end

local function put(r)
	redis.call('DEL', session(r.hash))
	redis.call('HSET', session(r.hash), 'h', r.h, 'u', r.u, 'v', r.v, 'd', r.d, 'a', r.a,
		'm', r.m, 'p', r.p, 'c', r.c, 't', r.t, 'x', r.x, 'w', r.w)
	extend(r.hash, tonumber(r.idle), 0)
	if r.u == '' then return end
	local all = redis.call('HGETALL', index(r.u))
	for i = 1, #all, 2 do -- those that have expired
		if redis.call('EXISTS', session(all[i + 1])) == 0 then redis.call('HDEL', index(r.u), all[i]) end
	end
	redis.call('HSET', index(r.u), r.h, r.hash)
	local left = math.ceil((tonumber(r.x) - now) / 1000)
	if redis.call('PTTL', index(r.u)) < left then redis.call('PEXPIRE', index(r.u), int(left)) end
end
`

// Each script names one key, for the slot; the others have the same hash tag.
var (
	// base, epoch, record
	createScript = newScript(`
local r = record(3)
if done(r.hash, r.w) then return 'ok' end
local why = refuses(r, ARGV[2])
if why then return why end
put(r)
return 'ok'
`)

	// base, epoch, record: what createScript will answer
	admitScript = newScript(`return refuses(record(3), ARGV[2]) or 'ok'`)

	// base, hash
	loadScript = newScript(`
if not live(ARGV[2]) then return {} end
local f = redis.call('HMGET', session(ARGV[2]), 'h', 'u', 'v', 'a', 'm', 'p', 'c', 't', 'x', 'e', 'i', 'd')
table.insert(f, 1, int(now))
return f
`)

	// base, hash, version, idle, data, call
	saveScript = newScript(`
if not live(ARGV[2]) then return 'missing' end
if done(ARGV[2], ARGV[6]) then return 'ok' end
local f = redis.call('HMGET', session(ARGV[2]), 'v', 'i')
if f[1] ~= ARGV[3] then return 'conflict' end
redis.call('HINCRBY', session(ARGV[2]), 'v', 1)
redis.call('HSET', session(ARGV[2]), 'd', ARGV[5], 'w', ARGV[6])
extend(ARGV[2], tonumber(ARGV[4]), tonumber(f[2]))
return 'ok'
`)

	// base, hash, idle
	touchScript = newScript(`
if not live(ARGV[2]) then return 'missing' end
extend(ARGV[2], tonumber(ARGV[3]), tonumber(redis.call('HGET', session(ARGV[2]), 'i')))
return 'ok'
`)

	// base, epoch, record, old hash, old version
	rotateScript = newScript(`
local r, old = record(3), ARGV[16]
if done(r.hash, r.w) then return 'ok' end
if not live(old) then return 'missing' end
local f = redis.call('HMGET', session(old), 'v', 'u')
if f[1] ~= ARGV[17] then return 'conflict' end
local why = refuses(r, ARGV[2], old)
if why then return why end
drop(old)
put(r)
if r.u ~= '' and r.u == f[2] and r.hash ~= old then
	redis.call('HSET', session(r.hash), 'o', old)
	redis.call('SET', became(old), r.hash)
	redis.call('PEXPIREAT', became(old), int(math.ceil(tonumber(r.x) / 1000)))
end
return 'ok'
`)

	// base, hash, version, call: the first half of a rotation between shards
	takeScript = newScript(`
if not live(ARGV[2]) then
	return redis.call('GET', became(ARGV[2])) == ARGV[4] and 'ok' or 'missing'
end
if redis.call('HGET', session(ARGV[2]), 'v') ~= ARGV[3] then return 'conflict' end
drop(ARGV[2])
redis.call('SET', became(ARGV[2]), ARGV[4], 'EX', 60)
return 'ok'
`)

	// base, hash
	deleteScript = newScript(`
local next = redis.call('GET', became(ARGV[2]))
drop(ARGV[2])
if next and redis.call('HGET', session(next), 'o') == ARGV[2] then drop(next) end
return 'ok'
`)

	// base, user, handle
	deleteHandleScript = newScript(`
local hash = redis.call('HGET', index(ARGV[2]), ARGV[3])
if hash then drop(hash) end
redis.call('HDEL', index(ARGV[2]), ARGV[3])
return 'ok'
`)

	// base, user
	epochScript = newScript(`return {epoch(ARGV[2]), int(now)}`)

	// base, user
	userScript = newScript(`
local found, all = {}, redis.call('HGETALL', index(ARGV[2]))
for i = 2, #all, 2 do
	if live(all[i]) then
		local f = redis.call('HMGET', session(all[i]), 'h', 'u', 'v', 'a', 'm', 'p', 'c', 't', 'x', 'e', 'i')
		table.insert(f, 1, int(now))
		table.insert(f, all[i])
		table.insert(found, f)
	end
end
return found
`)

	// base, user, handles to keep
	deleteUserScript = newScript(`
redis.call('SET', base .. 'e:' .. ARGV[2], '1', 'NX')
redis.call('INCR', base .. 'e:' .. ARGV[2])
local kept, n, all = {}, 0, redis.call('HGETALL', index(ARGV[2]))
for i = 3, #ARGV do kept[ARGV[i]] = true end
for i = 1, #all, 2 do
	if not kept[all[i]] then
		if live(all[i + 1]) then n = n + 1 end
		drop(all[i + 1])
		redis.call('HDEL', index(ARGV[2]), all[i])
	end
end
return int(n)
`)
)
