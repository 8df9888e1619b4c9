-- A small call, as an agent would make it: about 300 bytes of JSON, the key as the first argument.
function init(args)
	wrk.method = "POST"
	wrk.headers["x-api-key"] = args[1]
	wrk.headers["anthropic-version"] = "2023-06-01"
	wrk.headers["Content-Type"] = "application/json"
	wrk.body = '{"model":"claude-sonnet-4-5","max_tokens":256,"system":"You keep the side gate of an old town."'
		.. ',"messages":[{"role":"user","content":"Who may pass after dark, who has to wait for the morning,'
		.. ' and whom does the keeper of the gate have to ask before he opens it to a stranger?"}]}'
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("requests %d microseconds %d bad %d median_us %d p99_us %d max_us %d\n", summary.requests,
		summary.duration, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50),
		latency:percentile(99), latency.max))
end
