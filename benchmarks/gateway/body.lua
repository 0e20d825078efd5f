-- One batch per request, EVENTS events each (environment, default 10), every event id unique, 5000 users.
-- The text around the numbers is made once, so that the generator takes little of the machine it shares.

local events = tonumber(os.getenv("EVENTS") or "10")
local users = 5000
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local pieces = {}
local request_number = 0
local prefix
local template

function init(args)
  math.randomseed(os.time() * 7919 + number)
  prefix = string.format("%08x-%04x-4%03x-8%03x-", math.random(0, 0x7fffffff), math.random(0, 0xffff),
    math.random(0, 0xfff), math.random(0, 0xfff))
  local now = os.date("!%Y-%m-%dT%H:%M:%S") .. ".250Z"
  local session = prefix .. "feedfeedfeed"
  template = {
    head = '{"userId":"' .. string.format("%08x", number) .. '-0000-4000-8000-',
    sent = '","sentAt":"' .. now .. '","events":[',
    id = '{"eventId":"' .. prefix,
    rest = '","sessionId":"' .. session .. '","timestamp":"' .. now ..
      '","category":"education","action":"flashcard_review","label":"geometry","value":1.5,' ..
      '"metadata":{"path":"/decks/7","streak":3}}',
  }
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  request_number = request_number + 1
  local made = pieces
  made[1] = template.head
  made[2] = string.format("%012x", request_number % users)
  made[3] = template.sent
  local at = 3
  for event = 1, events do
    made[at + 1] = event == 1 and template.id or "," .. template.id
    made[at + 2] = string.format("%09x%03x", request_number, event)
    made[at + 3] = template.rest
    at = at + 3
  end
  made[at + 1] = "]}"
  return wrk.format(nil, "/api/telemetry/events", nil, table.concat(made, "", 1, at + 1))
end

function done(summary, latency, requests)
  local seconds = summary.duration / 1e6
  io.write(string.format('RESULT {"requests_per_second":%.1f,"p50_ms":%.2f,"p99_ms":%.2f,"not_2xx":%d,"socket_errors":%d}\n',
    summary.requests / seconds, latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
