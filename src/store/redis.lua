-- The one script that Redis runs for Postern: the rule of policy/admission.c and policy/bucket.c,
-- line by line, over state that all web servers share, and the sums over finished calls. It is sent
-- without its comments. ARGV[1] names the operation; the words after it are read in order.
--
-- Numbers here are doubles, so that every one of them stays below 2^53; the sums of HINCRBY are
-- whole 64-bit numbers. Everything is read before anything is written.
--
-- All keys begin with {postern}: and so live in one slot of a cluster.
--   account:<scope>:<name>               "day spent reserved month spent reserved running"
--   meter:<scope>:<length>:<name>:<model> "level at level at": requests, tokens
--   lease:<holder>                       hash: number -> what it holds
--   holders                              sorted set: holder -> when it counts as dead
--   gone:<holder>                        hash: numbers of takes that were given up
--   booked                               hash: node -> its last booked line
--   done:<node>                          hash: line that is settled and not booked -> its call
--   days                                 sorted set: "<date>:<node>" -> day
--   totals:<date>:<node>                 hash: "workspace\0key\0model\0what" -> sum

local PREFIX = '{postern}:'
local MINUTE_MS = 60000
local DAY_MS = 86400000
local DAY_MAX = 2932896
local LEVEL_MIN = -3000000000000000
local NANOUSD_MAX = 9000000000000000
local CONCURRENT_WAIT_MS = 1000
local ACCOUNT_KEPT_MS = 40 * DAY_MS
local DONE_KEPT_MS = 40 * DAY_MS
local GONE_KEPT_MS = 600000
local HASH_MAX = '9223372036854775807'
local NONE, BUDGET_MONTH, BUDGET_DAY, CONCURRENT, REQUESTS, TOKENS = 0, 1, 2, 3, 4, 5
local SCOPES = { 'w', 'k' }
local SUMS = { 'calls', 'errors', 'cut', 'input', 'output', 'cache_write', 'cache_write_1h',
	'cache_read', 'nanousd' }

local call = redis.call
local floor = math.floor
local at = 1

local function word()
	at = at + 1
	return ARGV[at]
end

local function number()
	return tonumber(word())
end

-- The time that was given, or that of Redis, which all web servers share.
local function clock()
	local given = number()
	if given ~= 0 then
		return math.max(given, 1)
	end
	local t = call('TIME')
	return tonumber(t[1]) * 1000 + floor(tonumber(t[2]) / 1000)
end

local function less(from, what)
	return from > what and from - what or 0
end

local function numbers(text)
	local list = {}
	for one in string.gmatch(text or '', '%S+') do
		list[#list + 1] = tonumber(one)
	end
	return list
end

-- Periods: policy/period.c.

local function day_of(now)
	return math.min(floor(now / DAY_MS), DAY_MAX)
end

local function month_of(day)
	local z = day + 719468
	local era = floor(z / 146097)
	local doe = z - era * 146097
	local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
	local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
	local mp = floor((5 * doy + 2) / 153)
	local month = mp < 10 and mp + 3 or mp - 9
	local year = yoe + era * 400 + (month <= 2 and 1 or 0)
	return (year - 1970) * 12 + month - 1
end

local function day_end_ms(day)
	return (day + 1) * DAY_MS
end

local function month_end_ms(month)
	local month_next = (month + 1) % 12 + 1
	local year = 1970 + floor((month + 1) / 12) - (month_next <= 2 and 1 or 0)
	local era = floor(year / 400)
	local yoe = year - era * 400
	local doy = floor((153 * ((month_next + 9) % 12) + 2) / 5)
	local doe = yoe * 365 + floor(yoe / 4) - floor(yoe / 100) + doy
	return (era * 146097 + doe - 719468) * DAY_MS
end

-- Buckets: policy/bucket.c.

local function flow_ms(parts, limit)
	return parts > 0 and floor((parts + limit - 1) / limit) or 0
end

local function refill(b, limit, now)
	local full = limit * MINUTE_MS
	if limit == 0 then
		return
	end
	if b.at < 1 then
		b.level, b.at = full, now
		return
	end
	b.level = math.min(b.level, full)
	if now < b.at then
		if b.at - now > MINUTE_MS then
			b.at = now
		end
		return
	end
	local passed = now - b.at
	if passed >= flow_ms(full - b.level, limit) then
		b.level = full
	else
		b.level = b.level + passed * limit
	end
	b.at = now
end

local function draw_wait_ms(draw, now)
	local parts = math.min(draw.cost, draw.limit) * MINUTE_MS
	if parts == 0 or parts <= draw.bucket.level then
		return 0
	end
	return draw.bucket.at - now + flow_ms(parts - draw.bucket.level, draw.limit)
end

-- Takes all or none; the wait and which of them has to wait.
local function draw_all(draws, now)
	local longest, which = 0, 1
	for i, draw in ipairs(draws) do
		if draw.limit > 0 then
			refill(draw.bucket, draw.limit, now)
			local wait = draw_wait_ms(draw, now)
			if wait > longest then
				longest, which = wait, i
			end
		end
	end
	if longest > 0 then
		return longest, which
	end
	for _, draw in ipairs(draws) do
		if draw.limit > 0 then
			draw.bucket.level = draw.bucket.level - math.min(draw.cost, draw.limit) * MINUTE_MS
		end
	end
	return 0, which
end

local function bucket_settle(b, limit, given, taken, now)
	local full = limit * MINUTE_MS
	if limit == 0 then
		return
	end
	if b.at < 1 or b.level <= full then
		refill(b, limit, now)
	end
	if given > taken then
		if b.level < full then
			if given - taken > floor((full - b.level) / MINUTE_MS) then
				b.level = full
			else
				b.level = b.level + (given - taken) * MINUTE_MS
			end
		end
	elseif taken - given > floor((b.level - LEVEL_MIN) / MINUTE_MS) then
		b.level = LEVEL_MIN
	else
		b.level = b.level - (taken - given) * MINUTE_MS
	end
end

local function bucket_left(b, limit)
	if b.at < 1 or b.level >= limit * MINUTE_MS then
		return limit
	end
	return b.level > 0 and floor(b.level / MINUTE_MS) or 0
end

local function bucket_full_ms(b, limit)
	local full = limit * MINUTE_MS
	if limit == 0 or b.at < 1 or b.level >= full then
		return b.at
	end
	return b.at + flow_ms(full - b.level, limit)
end

-- State. What belongs to the workspace is [1], what belongs to the key [2].

local function account_key(scope, name)
	return PREFIX .. 'account:' .. SCOPES[scope] .. ':' .. name
end

local function meter_key(scope, name, model)
	return PREFIX .. 'meter:' .. SCOPES[scope] .. ':' .. #name .. ':' .. name .. ':' .. model
end

local function account_of(key, text)
	local n = numbers(text)
	return {
		key = key,
		day = { period = n[1] or 0, spent = n[2] or 0, reserved = n[3] or 0 },
		month = { period = n[4] or 0, spent = n[5] or 0, reserved = n[6] or 0 },
		running = n[7] or 0,
	}
end

local function meter_of(key, text)
	local n = numbers(text)
	return {
		key = key,
		requests = { level = n[1] or 0, at = n[2] or 0 },
		tokens = { level = n[3] or 0, at = n[4] or 0 },
	}
end

local function state_of(names, model)
	local keys = {}
	for scope, name in ipairs(names) do
		keys[scope] = account_key(scope, name)
		keys[scope + 2] = meter_key(scope, name, model)
	end
	local texts = call('MGET', unpack(keys))
	return {
		account = { account_of(keys[1], texts[1]), account_of(keys[2], texts[2]) },
		meter = { meter_of(keys[3], texts[3]), meter_of(keys[4], texts[4]) },
	}
end

local function account_put(a)
	local text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f', a.day.period, a.day.spent,
		a.day.reserved, a.month.period, a.month.spent, a.month.reserved, a.running)
	call('SET', a.key, text, 'PX', ACCOUNT_KEPT_MS)
end

-- A bucket that is full says nothing; it goes a minute after that, so that a clock which steps back
-- still finds it.
local function meter_put(m, rpm, tpm, now)
	if rpm == 0 and tpm == 0 then
		return
	end
	local full = math.max(bucket_full_ms(m.requests, rpm), bucket_full_ms(m.tokens, tpm), now)
	local text = string.format('%.0f %.0f %.0f %.0f', m.requests.level, m.requests.at,
		m.tokens.level, m.tokens.at)
	call('SET', m.key, text, 'PX', string.format('%.0f', full - now + MINUTE_MS))
end

-- Money. Unlike in a limiter of one machine, what was spent is counted with or without a budget.

local function turn(purse, period)
	if purse.period >= period then
		return false
	end
	purse.period, purse.spent, purse.reserved = period, 0, 0
	return true
end

local function spend(purse, period, nanousd)
	turn(purse, period)
	if purse.period == period then
		purse.spent = math.min(purse.spent + nanousd, NANOUSD_MAX)
	end
end

local function give_back(purse, period, nanousd)
	if purse.period == period then
		purse.reserved = less(purse.reserved, nanousd)
	end
end

-- What a lease holds: purses by bits, 1 and 2 of the day, 4 and 8 of the month.

local function has(flags, bit)
	return floor(flags / bit) % 2 == 1
end

local function release(account, scope, held)
	if has(held.flags, scope * 4) then
		give_back(account.month, held.month, held.nanousd)
	end
	if has(held.flags, scope) then
		give_back(account.day, held.day, held.nanousd)
	end
	account.running = less(account.running, 1)
end

local function lease_text(held)
	return string.format(string.rep('%.0f ', 13), held.day, held.month, held.nanousd, held.flags,
		held.taken[1], held.taken[2], held.rpm[1], held.rpm[2], held.tpm[1], held.tpm[2],
		#held.names[1], #held.names[2], held.requests) .. held.names[1] .. held.names[2] .. held.model
end

local function lease_of(text)
	local head = string.match(text, '^' .. string.rep('%d+ ', 13))
	local n = numbers(head)
	local rest = string.sub(text, #head + 1)
	return {
		day = n[1], month = n[2], nanousd = n[3], flags = n[4],
		taken = { n[5], n[6] }, rpm = { n[7], n[8] }, tpm = { n[9], n[10] }, requests = n[13],
		names = { string.sub(rest, 1, n[11]), string.sub(rest, n[11] + 1, n[11] + n[12]) },
		model = string.sub(rest, n[11] + n[12] + 1),
	}
end

-- Gives back what a lease held, which is about to be removed. Its tokens stay taken.
local function release_lease(text)
	local held = lease_of(text)
	for scope, name in ipairs(held.names) do
		local key = account_key(scope, name)
		local account = account_of(key, call('GET', key))
		release(account, scope, held)
		account_put(account)
	end
end

-- Gives back what a holder held that has not been heard of for too long. The one that asks is alive,
-- however long Redis was away.
local function release_dead(now, alive)
	local silent = call('ZRANGEBYSCORE', PREFIX .. 'holders', '-inf', now, 'LIMIT', 0, 2)
	local dead = silent[1] ~= alive and silent[1] or silent[2]
	if not dead then
		return
	end
	local leases = call('HGETALL', PREFIX .. 'lease:' .. dead)
	for i = 2, #leases, 2 do
		release_lease(leases[i])
	end
	call('DEL', PREFIX .. 'lease:' .. dead)
	call('ZREM', PREFIX .. 'holders', dead)
end

-- Takes: policy/admission.c.

local function quota_read()
	return { rpm = number(), tpm = number(), concurrent = number(), day = number(), month = number() }
end

local function ask_read()
	local ask = { names = { word(), word() }, model = word() }
	ask.quota = { quota_read(), quota_read() }
	ask.requests, ask.tokens, ask.nanousd = number(), number(), number()
	return ask
end

local function grant_begin(s, ask, now)
	local g = { now = now, day = day_of(now), refused = NONE, scope = 1, size = 0, left = 0, wait = 0 }
	g.month = month_of(g.day)
	for scope, a in ipairs(s.account) do
		if ask.quota[scope].day > 0 then
			g.day = math.max(g.day, a.day.period)
		end
		if ask.quota[scope].month > 0 then
			g.month = math.max(g.month, a.month.period)
		end
	end
	return g
end

local function refresh(s, ask, g)
	for scope, q in ipairs(ask.quota) do
		local a = s.account[scope]
		local month, day = turn(a.month, g.month), turn(a.day, g.day)
		a.turned = month or day
		refill(s.meter[scope].requests, q.rpm, g.now)
		refill(s.meter[scope].tokens, q.tpm, g.now)
	end
end

local function refuse(g, limit, scope, size, wait)
	g.refused, g.scope, g.size, g.wait = limit, scope, size, wait
	return true
end

local function over_budget(s, ask, g, limit, period, end_ms)
	for scope, q in ipairs(ask.quota) do
		local purse = s.account[scope][period]
		local left = less(less(q[period], purse.spent), purse.reserved)
		if q[period] > 0 and not (left > 0 and ask.nanousd <= left) then
			g.left = left
			return refuse(g, limit, scope, q[period], end_ms > g.now and end_ms - g.now or 1)
		end
	end
	return false
end

local function over_running(s, ask, g)
	for scope, q in ipairs(ask.quota) do
		if q.concurrent > 0 and s.account[scope].running >= q.concurrent then
			return refuse(g, CONCURRENT, scope, q.concurrent, CONCURRENT_WAIT_MS)
		end
	end
	return false
end

local function over_buckets(s, ask, g)
	local draws = {}
	for scope, q in ipairs(ask.quota) do
		draws[scope] = { bucket = s.meter[scope].requests, limit = q.rpm, cost = ask.requests }
		draws[scope + 2] = { bucket = s.meter[scope].tokens, limit = q.tpm, cost = ask.tokens }
	end
	local wait, which = draw_all(draws, g.now)
	if wait == 0 then
		return false
	end
	return refuse(g, which <= 2 and REQUESTS or TOKENS, (which - 1) % 2 + 1, draws[which].limit, wait)
end

local function check(s, ask, g)
	if ask.nanousd > 0 or ask.tokens > 0 then
		if over_budget(s, ask, g, BUDGET_MONTH, 'month', month_end_ms(g.month)) or
			over_budget(s, ask, g, BUDGET_DAY, 'day', day_end_ms(g.day)) then
			return
		end
	end
	if not over_running(s, ask, g) then
		over_buckets(s, ask, g)
	end
end

local function hold(s, ask, g)
	local held = { day = g.day, month = g.month, nanousd = ask.nanousd, flags = 0, taken = {}, rpm = {},
		tpm = {}, names = ask.names, model = ask.model, requests = ask.requests }
	for scope, q in ipairs(ask.quota) do
		local a = s.account[scope]
		held.taken[scope] = math.min(ask.tokens, q.tpm)
		held.rpm[scope], held.tpm[scope] = q.rpm, q.tpm
		if q.month > 0 then
			held.flags = held.flags + scope * 4
			a.month.reserved = a.month.reserved + ask.nanousd
		end
		if q.day > 0 then
			held.flags = held.flags + scope
			a.day.reserved = a.day.reserved + ask.nanousd
		end
		a.running = a.running + 1
	end
	return held
end

-- The narrower of both buckets: its limit, what is left, when it will be full.
local function gauge(s, ask, bucket, rate)
	local limit, left, full = 0, 0, 0
	for scope, q in ipairs(ask.quota) do
		local b = s.meter[scope][bucket]
		local mine = bucket_left(b, q[rate])
		if q[rate] > 0 and not (limit > 0 and (left < mine or (left == mine and limit <= q[rate]))) then
			limit, left, full = q[rate], mine, bucket_full_ms(b, q[rate])
		end
	end
	return limit, left, full
end

-- now, holder, number, how long the holder lives, then the ask.
local function take()
	local now, holder, lease, hold_ms = clock(), word(), word(), number()
	local ask = ask_read()
	if call('HEXISTS', PREFIX .. 'gone:' .. holder, lease) == 1 then
		return 0
	end
	release_dead(now, holder)
	local s = state_of(ask.names, ask.model)
	local g = grant_begin(s, ask, now)
	refresh(s, ask, g)
	check(s, ask, g)
	local held = { nanousd = 0, flags = 0, taken = { 0, 0 } }
	if g.refused == NONE then
		held = hold(s, ask, g)
		call('HSET', PREFIX .. 'lease:' .. holder, lease, lease_text(held))
		call('ZADD', PREFIX .. 'holders', now + hold_ms, holder)
	end
	for scope, q in ipairs(ask.quota) do
		if g.refused == NONE or s.account[scope].turned then
			account_put(s.account[scope])
		end
		meter_put(s.meter[scope], q.rpm, q.tpm, now)
	end
	local rl, rleft, rfull = gauge(s, ask, 'requests', 'rpm')
	local tl, tleft, tfull = gauge(s, ask, 'tokens', 'tpm')
	return { g.refused, g.scope - 1, g.size, g.left, g.wait, g.now, rl, rleft, rfull, tl, tleft, tfull,
		g.refused == NONE and 1 or 0, g.day, g.month, held.taken[1], held.taken[2], held.nanousd,
		held.flags }
end

-- Settlements.

local function settlement_read()
	local x = { holder = word(), lease = word(), names = { word(), word() }, model = word() }
	x.rpm, x.tpm = {}, {}
	for scope = 1, 2 do
		x.rpm[scope], x.tpm[scope] = number(), number()
	end
	x.day, x.month, x.nanousd, x.flags = number(), number(), number(), number()
	x.taken = { number(), number() }
	x.tokens, x.spent = number(), number()
	return x
end

-- requests: how many are given back.
local function settle_one(x, now, requests)
	local leased = call('HDEL', PREFIX .. 'lease:' .. x.holder, x.lease) == 1
	local s = state_of(x.names, x.model)
	for scope, account in ipairs(s.account) do
		if leased then
			release(account, scope, x)
		end
		spend(account.month, x.month, x.spent)
		spend(account.day, x.day, x.spent)
		account_put(account)
		bucket_settle(s.meter[scope].tokens, x.tpm[scope], x.taken[scope], x.tokens, now)
		if requests > 0 then
			bucket_settle(s.meter[scope].requests, x.rpm[scope], math.min(requests, x.rpm[scope]), 0, now)
		end
		if x.tpm[scope] > 0 or requests > 0 then
			meter_put(s.meter[scope], x.rpm[scope], x.tpm[scope], now)
		end
	end
end

-- Of a call whose take Redis does not know, because it was away or has lost it, only the money is
-- booked: the minute of its tokens is over.
local function spend_only(names, day, nanousd)
	if nanousd == 0 then
		return
	end
	for scope, name in ipairs(names) do
		local key = account_key(scope, name)
		local account = account_of(key, call('GET', key))
		spend(account.month, month_of(day), nanousd)
		spend(account.day, day, nanousd)
		account_put(account)
	end
end

local function booked_of(node)
	return tonumber(call('HGET', PREFIX .. 'booked', node) or 0)
end

-- now, node, the number of the line in the node's ledger, the call's name, then the settlement. A
-- call is settled once: here, or when its line is booked. After a power cut another call may come
-- under a number that was used before.
local function settle()
	local now, node, seq, id = clock(), word(), word(), word()
	local done = PREFIX .. 'done:' .. node
	if tonumber(seq) <= booked_of(node) or call('HGET', done, seq) == id then
		return 0
	end
	settle_one(settlement_read(), now, 0)
	call('HSET', done, seq, id)
	call('PEXPIRE', done, DONE_KEPT_MS)
	return 1
end

-- A take whose answer nobody waited for: all that it took is given back, or it will take nothing
-- when it comes at last.
local function cancel(holder, lease, now)
	local text = call('HGET', PREFIX .. 'lease:' .. holder, lease)
	if not text then
		call('HSET', PREFIX .. 'gone:' .. holder, lease, 1)
		call('PEXPIRE', PREFIX .. 'gone:' .. holder, GONE_KEPT_MS)
		return
	end
	local x = lease_of(text)
	x.holder, x.lease, x.tokens, x.spent = holder, lease, 0, 0
	settle_one(x, now, x.requests)
end

-- Releases the leases that their holder does not know of, up to the last number that it has given:
-- those of calls which it has settled before Redis fell back to an older state.
local function release_unknown(holder, last, known)
	local leases = call('HGETALL', PREFIX .. 'lease:' .. holder)
	for i = 1, #leases, 2 do
		if tonumber(leases[i]) <= last and not known[leases[i]] then
			release_lease(leases[i + 1])
			call('HDEL', PREFIX .. 'lease:' .. holder, leases[i])
		end
	end
end

-- now, holder, how long it lives (0: it holds nothing), how many takes to cancel, their numbers; then
-- the last number that it has given (0: it does not say) and all that it knows of.
local function beat()
	local now, holder, hold_ms = clock(), word(), number()
	release_dead(now, holder)
	if hold_ms > 0 then
		call('ZADD', PREFIX .. 'holders', now + hold_ms, holder)
	end
	for _ = 1, number() do
		cancel(holder, word(), now)
	end
	local last, known = number(), {}
	while at < #ARGV do
		known[word()] = true
	end
	if last > 0 then
		release_unknown(holder, last, known)
	end
	return 1
end

local function sum_add(key, field, more)
	if more == '0' then
		return
	end
	local sum = redis.pcall('HINCRBY', key, field, more)
	if type(sum) ~= 'table' or not sum.err then
		return
	end
	if not string.find(sum.err, 'overflow', 1, true) then
		error(sum.err)
	end
	call('HSET', key, field, HASH_MAX)
end

-- A line: its number, its call's name, its row and sums; 1 and the settlement when it was taken here.
local function line_read()
	local line = { seq = word(), id = word(), day = number(), date = word(), names = { word(), word() },
		model = word(), sums = {} }
	for i = 1, #SUMS do
		line.sums[i] = word()
	end
	if word() == '1' then
		line.settlement = settlement_read()
	end
	return line
end

local function total_add(node, line)
	local row = line.names[1] .. '\0' .. line.names[2] .. '\0' .. line.model .. '\0'
	local key = PREFIX .. 'totals:' .. line.date .. ':' .. node
	call('ZADD', PREFIX .. 'days', line.day, line.date .. ':' .. node)
	for i, what in ipairs(SUMS) do
		sum_add(key, row .. what, line.sums[i])
	end
end

local function line_settle(node, line, now)
	local done = PREFIX .. 'done:' .. node
	local settled = call('HGET', done, line.seq) == line.id
	call('HDEL', done, line.seq)
	if settled then
		return
	end
	if line.settlement then
		settle_one(line.settlement, now, 0)
	else
		spend_only(line.names, line.day, tonumber(line.sums[#SUMS]))
	end
end

-- now, node, how many lines, then the lines. Those that were booked before are passed over. Gives
-- the last number that is booked.
local function book()
	local now, node = clock(), word()
	local booked = booked_of(node)
	for _ = 1, number() do
		local line = line_read()
		if tonumber(line.seq) > booked then
			total_add(node, line)
			line_settle(node, line, now)
			call('HSET', PREFIX .. 'booked', node, line.seq)
			booked = tonumber(line.seq)
		end
	end
	return booked
end

-- node, "<date>:<node>": how far the first node was booked, then the fields of the second's sums.
local function rows()
	local node = word()
	local list = { booked_of(node) }
	local fields = call('HGETALL', PREFIX .. 'totals:' .. word())
	for i = 1, #fields do
		list[i + 1] = fields[i]
	end
	return list
end

-- Whether this user may run every command of the other operations.
local function probe()
	local name = PREFIX .. 'probe:' .. word()
	call('TIME')
	call('DEL', name)
	call('SET', name, 1, 'PX', 1000)
	call('GET', name)
	call('MGET', name)
	call('DEL', name)
	call('HSET', name, 'a', 1)
	call('HINCRBY', name, 'a', 1)
	call('HGET', name, 'a')
	call('HEXISTS', name, 'a')
	call('HGETALL', name)
	call('PEXPIRE', name, 1000)
	call('HDEL', name, 'a')
	call('ZADD', name, 1, 'a')
	call('ZRANGEBYSCORE', name, '-inf', 1, 'LIMIT', 0, 1)
	call('ZREM', name, 'a')
	return 1
end

local operations = { take = take, settle = settle, beat = beat, book = book, rows = rows, probe = probe }

return operations[ARGV[1]]()
