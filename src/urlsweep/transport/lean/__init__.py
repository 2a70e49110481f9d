"""The fast transport: plain HTTP/1.1 over sockets of its own, by callbacks alone. A URL costs no task, no timer and no
future here.

- `transport`: what the engine speaks to; the pool of kept connections and the one clock for all deadlines
- `call`: one request under way, from its addresses to its end
- `origin`: what all requests to one server share
- `connection`: one socket and what comes in on it; `channel` TLS over it, `head`, `chunks` and `body` what it carries
- `race`: connecting; `lookups`: names; `poller`: which sockets are ready

Whatever needs a proxy is the session transport's.
"""
