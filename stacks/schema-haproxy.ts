import { duration, flag, image, keys, oneOf, resources, whole, wholeSeconds } from "./fields";

// Operators write times as texts; each `transform` gives the number a name with its unit.

const timeouts = keys({
  hello: duration("1ms", "1m")
    .prefault("10s")
    .describe("HAProxy closes a connection whose client sends nothing for so long at its start."),
  connect: duration("1ms", "1m")
    .prefault("700ms")
    .describe("One attempt to connect to an API server."),
  idle: duration("1ms", "7d")
    .prefault("24h")
    .describe(
      "HAProxy closes a connection that is silent on both sides for so long. Watches and `logs -f` are silent for hours.",
    ),
  check: duration("1ms", "1m").prefault("700ms").describe("One health check."),
  queue: duration("1ms", "1m")
    .prefault("2s")
    .describe("A connection waits for so long in HAProxy's queue for a server."),
})
  .transform(({ hello, connect, idle, check, queue }) => ({
    helloMs: hello,
    connectMs: connect,
    idleMs: idle,
    checkMs: check,
    queueMs: queue,
  }))
  .prefault({});

const checks = keys({
  authentication: oneOf(["anonymous", "token"])
    .default("anonymous")
    .describe(
      "`token`: [for API servers with `anonymous-auth=false`](how-it-works.md#api-servers-without-anonymous-access); not with `daemonset.variant` `mounted`.",
    ),
  interval: duration("1ms", "1m").prefault("1s").describe("Between two health checks."),
  fastInterval: duration("1ms", "1m")
    .prefault("200ms")
    .describe("The same while a server changes its state."),
  rise: whole(1, 100).default(2).describe("Good checks until a server is up."),
  fall: whole(1, 100).default(2).describe("Bad checks until a server is down."),
  slowStart: duration("1ms", "10m")
    .prefault("20s")
    .describe("A server that comes back reaches its full share over this time."),
})
  .transform(({ interval, fastInterval, slowStart, ...others }) => ({
    ...others,
    intervalMs: interval,
    fastIntervalMs: fastInterval,
    slowStartMs: slowStart,
  }))
  .prefault({});

/** HAProxy itself. */
export const haproxy = keys({
  image: image()
    .default("docker.io/library/haproxy:3.0.11")
    .describe("HAProxy's image; a digest pins it."),
  resources: resources({ requests: { cpu: "500m", memory: "64Mi" }, limits: {} }).describe(
    "Without a CPU request HAProxy starves beside the API server.",
  ),
  takeOver: flag()
    .default(false)
    .describe(
      "`true`: a foreign `/etc/haproxy/haproxy.cfg` is put aside, and put back on destroy. `false`: it is refused.",
    ),
  // 1,000 nodes x 10 connections, twice while all reconnect, and as much in reserve
  maxConnections: whole(100, 1_000_000)
    .default(40_000)
    .describe("Connections to the LB port at once; see [limits](how-it-works.md#limits)."),
  // a node with 250 pods behind its address x 4 connections, twice while all reconnect
  maxConnectionsPerSource: whole(10, 1_000_000)
    .default(2000)
    .describe(
      "The same from one address. The host itself and control-plane nodes [are free of it](how-it-works.md#limits).",
    ),
  hardStopAfter: duration("1ms", "1h")
    .prefault("40s")
    .describe(
      "So long after a soft stop or a reload, the old process closes its last connections.",
    ),
  timeouts,
  checks,
})
  .transform(({ hardStopAfter, timeouts, ...others }) => ({
    ...others,
    timeouts: { ...timeouts, hardStopAfterMs: hardStopAfter },
  }))
  .prefault({})
  .describe("HAProxy: its image, limits, timeouts and health checks.");

/** The updater. */
export const updater = keys({
  image: image()
    .default("docker.io/library/node:24-trixie-slim")
    .describe("Any image with Node.js 18 or later."),
  resources: resources({
    requests: { cpu: "50m", memory: "64Mi" },
    limits: { memory: "256Mi" },
  }).describe("CPU and memory of the updater."),
  drain: wholeSeconds("0s", "1h")
    .prefault("30s")
    .describe(
      "A removed backend keeps its connections for so long; a leaving control-plane node waits for that.",
    ),
  // below a minute, a restart of an API server looks like its removal: its lease is renewed each 10
  // s, and ends after 15 s
  retain: wholeSeconds("0s", "7d")
    .prefault("1h")
    .describe(
      "With discovery `endpoints` or `both`: an API server that leaves the EndpointSlice [stays a backend](discovery.md#an-api-server-that-leaves-the-slice) for so long. `0s`: it leaves at once.",
    ),
  checkConfig: flag()
    .default(true)
    .describe(
      "A copy of HAProxy's own binary [checks haproxy.cfg](how-it-works.md#no-unchecked-file). `false` for an HAProxy image without a shell, which then has no [pre-stop handover](how-it-works.md#haproxys-pre-stop-handover) either.",
    ),
})
  .transform(({ drain, retain, ...others }) => ({
    ...others,
    drainSeconds: drain,
    retainSeconds: retain,
  }))
  .prefault({})
  .describe("The process that brings changes of the backends into HAProxy.");
