-- wrk's part in the export measurement: POST /Users with unique names.
-- TOKEN and PREFIX come from the environment; each thread counts on its own.
local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init()
    made = 0
    token = os.getenv("TOKEN")
    prefix = os.getenv("PREFIX")
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/scim+json"
    wrk.headers["Authorization"] = "Bearer " .. token
end

function request()
    made = made + 1
    local name = prefix .. number .. "-" .. made
    return wrk.format(nil, nil, nil, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],'
        .. '"externalId":"' .. name .. '","userName":"' .. name .. '@example.org",'
        .. '"displayName":"' .. name .. '","active":true,'
        .. '"name":{"givenName":"Ada","familyName":"' .. name .. '"},'
        .. '"emails":[{"type":"work","value":"' .. name .. '@example.org"}]}')
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"errors":%d,"not_2xx":%d}\n',
        summary.requests, summary.duration / 1e6,
        e.connect + e.read + e.write + e.timeout, e.status))
end
