-- wrk's part: posts signed orders, each with an event id of its own, and prints one line of JSON when done.
-- Arguments after "--": a file of lines "signature<tab>body", and a word that makes this run's event ids unique.

local orders = {}
local run
local count = 0

function init(args)
  for line in io.lines(args[1]) do
    local signature, body = line:match("^(%S+)\t(.*)$")
    orders[#orders + 1] = { signature = signature, body = body }
  end
  run = args[2]
end

function request()
  count = count + 1
  local order = orders[count % #orders + 1]
  return wrk.format("POST", nil, {
    ["Content-Type"] = "application/json",
    ["User-Agent"] = "Shopify-Captain-Hook",
    ["X-Shopify-Topic"] = "orders/create",
    ["X-Shopify-Shop-Domain"] = "bench.example",
    ["X-Shopify-Api-Version"] = "2026-01",
    ["X-Shopify-Hmac-Sha256"] = order.signature,
    ["X-Shopify-Event-Id"] = run .. "-" .. count,
  }, order.body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
