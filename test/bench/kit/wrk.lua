-- For kit/wrk.ts: what was seen as one line of JSON, and, with WRK_PAUSE_MS, a pause before each request, uniform between
-- 0 and twice that, so that connections do not ask in step.
local pause = tonumber(os.getenv("WRK_PAUSE_MS") or "0")

if pause > 0 then
  function delay()
    return math.random(0, 2 * pause)
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '\n{"requests":%d,"errors":%d,"elapsed_us":%d,"p50_us":%d,"p99_us":%d}',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
