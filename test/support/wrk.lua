-- Each thread has one connection, asks for /r/<label>/<thread>/<number> and stops after a given number of answers, so
-- that no request is under way when wrk ends. Arguments: label, answers per thread, "close" for a connection each (else
-- "keep"), milliseconds of pause before each request.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("id", threads)
end

function init(args)
  label = args[1]
  limit = tonumber(args[2])
  pause = tonumber(args[4])
  sent, received = 0, 0
  if args[3] == "close" then wrk.headers["Connection"] = "close" end
end

function request()
  sent = sent + 1
  return wrk.format("GET", "/r/" .. label .. "/" .. id .. "/" .. sent)
end

function delay()
  return pause
end

function response()
  received = received + 1
  if received >= limit then wrk.thread:stop() end
end
