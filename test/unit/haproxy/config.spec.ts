import assert from "node:assert/strict";
import fc from "fast-check";
import {
  describeSpec,
  fingerprintCa,
  fingerprintSpec,
  renderHaproxyConfig,
  type HaproxySpec,
} from "../../../haproxy/config";
import type { Backend } from "../../../haproxy/model";
import { HEALTH_ADDRESS } from "../../../names";
import { LAST_LINE, renderMountedConfig } from "../../../haproxy/mounted";
import { replaceServerLines } from "../../../haproxy/server-lines";
import { exampleSettings } from "../updater/example-settings";
import { backendServerName, parseServerName } from "../../../haproxy/server-name";

const SPEC: HaproxySpec = { ...exampleSettings("/run/haproxy").haproxy, listen: ["${HOST_IP}"] };
const M1: Backend = { name: "m1", address: "10.77.0.11", port: 6443 };
const M2: Backend = { name: "m2", address: "fd00::1", port: 6443 };

const section = (text: string, title: string): string[] => {
  const lines = text.split("\n");
  const start = lines.indexOf(title);
  assert.ok(start >= 0, `no section ${title}`);
  const end = lines.indexOf("", start);
  return lines.slice(start + 1, end).map((line) => line.trim());
};

describe("renderHaproxyConfig", () => {
  it("has one server line for each slot in each pool, empty slots disabled", () => {
    const text = renderHaproxyConfig(SPEC, [M1, undefined, M2]);
    for (const pool of ["backend ready", "backend alive", "backend reachable"]) {
      const servers = section(text, pool).filter((line) => /^server s\d /.test(line));
      assert.deepEqual(servers, [
        "server s1 10.77.0.11:6443 # m1",
        "server s2 127.0.0.1:9 disabled",
        "server s3 [fd00::1]:6443 # m2",
      ]);
    }
  });

  it("has a fallback for each slot that tracks the liveness check", () => {
    const ready = section(renderHaproxyConfig(SPEC, [M1, undefined]), "backend ready");
    assert.deepEqual(
      ready.filter((line) => line.includes("backup")),
      [
        "option allbackups",
        "server s1.alive 10.77.0.11:6443 no-check backup track alive/s1",
        "server s2.alive 127.0.0.1:9 no-check backup track alive/s2",
      ],
    );
  });

  it("has replaceable slots", () => {
    const config = renderHaproxyConfig(SPEC, [M1, undefined, M2]);
    const slots = [undefined, M2, M1, undefined];
    assert.equal(replaceServerLines(config, slots), renderHaproxyConfig(SPEC, slots));
  });

  it("keeps server lines of another format", () => {
    const config = renderHaproxyConfig(SPEC, [M1, M2]).replace("# m2", "weight 3 # m2");
    assert.equal(replaceServerLines(config, [M1]), config);
  });

  it("verifies every server's certificate", () => {
    const text = renderHaproxyConfig(SPEC, [M1]);
    for (const pool of ["backend ready", "backend alive"]) {
      const line = section(text, pool).find((it) => it.startsWith("default-server "));
      for (const part of [
        "check-ssl",
        "verify required",
        "ca-file /run/haproxy/ca.crt",
        "verifyhost kubernetes",
        "check-sni kubernetes",
      ]) {
        assert.ok(line?.includes(part), part);
      }
    }
    assert.doesNotMatch(text, /verify none/);
  });

  it("is ready only with 200, and alive with any HTTP response", () => {
    const text = renderHaproxyConfig(SPEC, []);
    assert.ok(section(text, "backend ready").includes("http-check expect status 200"));
    assert.ok(
      section(text, "backend alive").includes("http-check expect rstatus ^[1-5][0-9][0-9]$"),
    );
  });

  it("uses ready servers, else alive ones, else those that accept connections, else closes", () => {
    const lines = section(renderHaproxyConfig(SPEC, []), "frontend endpoint");
    assert.deepEqual(
      lines.filter((line) => !line.startsWith("#")),
      [
        'bind "${HOST_IP}:6444"',
        "maxconn 40000",
        'acl own src "${HOST_IP}"',
        "acl own src 127.0.0.0/8 ::1",
        "acl server src 192.0.2.0",
        "stick-table type ipv6 size 100000 expire 1m store conn_cur",
        "tcp-request connection track-sc0 src if !own !server",
        "tcp-request connection reject if { sc0_conn_cur gt 2000 }",
        "tcp-request connection set-var(proc.ready) nbsrv(ready) if !{ stopping }",
        "tcp-request connection reject if { nbsrv(ready) eq 0 } { nbsrv(reachable) eq 0 } !{ stopping }",
        "tcp-request inspect-delay 10000ms",
        "tcp-request content accept if { req.len gt 0 }",
        "tcp-request content reject",
        "use_backend reachable if { nbsrv(ready) eq 0 } { nbsrv(reachable) gt 0 }",
        "use_backend reachable if { stopping } { var(proc.ready) -m int 0 }",
        "default_backend ready",
      ],
    );
  });

  it("has no TLS and no request in the checks of the last resort", () => {
    const lines = section(renderHaproxyConfig(SPEC, [M1]), "backend reachable");
    assert.deepEqual(lines.slice(0, 2), [
      "log global",
      "default-server check observe layer4 error-limit 3 on-error mark-down",
    ]);
  });

  it("describes the CA certificates, whatever their white space, beside the spec", () => {
    const of = (pem: string) => describeSpec({ ...SPEC, caFingerprint: fingerprintCa(pem) });
    assert.equal(of("A\nB\n"), of("A\r\nB"));
    assert.notEqual(of("A\nB\n"), of("A\nC\n"));
    assert.match(of("A"), new RegExp(`^spec-${fingerprintSpec(SPEC)}-ca-[0-9a-f]{16}$`));
    assert.equal(describeSpec(SPEC), `spec-${fingerprintSpec(SPEC)}`);
  });

  it("refers to a token's file for readiness checks with authentication token alone", () => {
    assert.doesNotMatch(renderHaproxyConfig(SPEC, []), /Authorization/);
    const checks = { ...SPEC.checks, authentication: "token" } as const;
    const text = renderHaproxyConfig({ ...SPEC, checks }, []);
    const send = (pool: string) =>
      section(text, `backend ${pool}`).find((line) => line.startsWith("http-check send "));
    assert.match(
      send("ready") ?? "",
      / hdr Authorization "Bearer %\[str\(token\),map\(\/run\/haproxy\/check-token\.map\)\]"$/,
    );
    assert.doesNotMatch(send("alive") ?? "", /Authorization/);
  });

  it("accepts connections of the allow-list and the host itself alone, on both ports", () => {
    const text = renderHaproxyConfig({ ...SPEC, allow: ["10.0.0.0/8", "fd00::/8"] }, []);
    for (const frontend of ["frontend endpoint", "frontend status"]) {
      const lines = section(text, frontend);
      assert.ok(lines.includes("acl allowed src 10.0.0.0/8"), frontend);
      assert.ok(lines.includes("acl allowed src fd00::/8"), frontend);
      assert.ok(lines.includes('acl own src "${HOST_IP}"'), frontend);
      const [first] = lines.filter((line) => line.startsWith("tcp-request connection "));
      assert.equal(first, "tcp-request connection reject if !own !allowed", frontend);
    }
  });

  it("answers probes at an address that no other machine reaches", () => {
    const lines = section(renderHaproxyConfig(SPEC, []), "frontend health");
    const binds = lines.filter((line) => line.startsWith("bind "));
    assert.deepEqual(binds, [`bind "${HEALTH_ADDRESS}:6445"`]);
    assert.ok(lines.includes("tcp-request connection reject if !{ src 127.0.0.0/8 }"));
  });

  it("limits the connections of a source, except the API servers' hosts", () => {
    const lines = section(renderHaproxyConfig(SPEC, [M1, undefined, M2]), "frontend endpoint");
    const hosts = lines.filter((line) => line.startsWith("acl server "));
    assert.deepEqual(hosts, [
      "acl server src 192.0.2.0",
      "acl server src 10.77.0.11",
      "acl server src fd00::1",
    ]);
  });

  it("keeps HAProxy from starting on the wildcard when a variable is unset", () => {
    assert.match(renderHaproxyConfig(SPEC, []), /\.if streq\("\$\{HOST_IP\}",""\)\n\.alert /);
    const fixed = renderHaproxyConfig({ ...SPEC, listen: ["10.0.0.5", "fd00::5"] }, []);
    assert.doesNotMatch(fixed, /\.alert/);
    assert.match(fixed, /bind "fd00::5:6444"/);
  });

  it("names servers after their backends without an updater", () => {
    const text = renderMountedConfig(SPEC, [M1, M2]);
    assert.doesNotMatch(text, /updater/);
    assert.ok(
      section(text, "frontend health").includes(
        'http-request return status 404 content-type text/plain string "not found"',
      ),
    );
    assert.deepEqual(
      section(text, "backend ready").filter((line) => line.startsWith("server ")),
      [
        "server m1:10.77.0.11:6443 10.77.0.11:6443 # m1",
        "server m2:fd00::1:6443 [fd00::1]:6443 # m2",
        "server m1:10.77.0.11:6443.alive 10.77.0.11:6443 no-check backup track alive/m1:10.77.0.11:6443",
        "server m2:fd00::1:6443.alive [fd00::1]:6443 no-check backup track alive/m2:fd00::1:6443",
      ],
    );
    assert.deepEqual([M1, M2].map(backendServerName).map(parseServerName), [M1, M2]);
    assert.equal(parseServerName("s1"), undefined);
  });

  it("is the same mounted file for any order of the backends", () => {
    const text = renderMountedConfig(SPEC, [M2, M1]);
    assert.equal(text, renderMountedConfig(SPEC, [M1, M2]));
    assert.ok(text.endsWith(`\n${LAST_LINE}\n`));
    assert.throws(() => renderMountedConfig(SPEC, []), /no backends/);
  });

  const validationErrors: [string, Partial<HaproxySpec>, RegExp][] = [
    ["no address", { listen: [] }, /haproxy\.listen: got \[\], expected at least one address/],
    ["a wildcard", { listen: ["0.0.0.0"] }, /haproxy\.listen: .*not the wildcard/],
    ["the IPv6 wildcard", { listen: ["::"] }, /haproxy\.listen: .*not the wildcard/],
    ["a name", { listen: ["master"] }, /haproxy\.listen: got "master"/],
    ["a line break in a path", { caFile: "/a\nb" }, /haproxy\.caFile: /],
    ["a blank in a path", { stateFile: "/a b" }, /haproxy\.stateFile: /],
    ["a bad CIDR", { allow: ["all"] }, /haproxy\.allow: got "all"/],
    ["a bad port", { port: 70_000 }, /haproxy\.port: got 70000, expected 1-65535/],
    [
      "an unknown authentication",
      { checks: { ...SPEC.checks, authentication: "basic" as never } },
      /haproxy\.checks\.authentication: got "basic", expected anonymous or token/,
    ],
    ["no connections", { maxConnections: 0 }, /haproxy\.maxConnections: got 0/],
    [
      "no connections of a source",
      { maxConnectionsPerSource: 0 },
      /maxConnectionsPerSource: got 0/,
    ],
  ];
  for (const [title, change, message] of validationErrors) {
    it(`refuses ${title}, and names the field`, () => {
      assert.throws(() => renderHaproxyConfig({ ...SPEC, ...change }, []), message);
    });
  }

  it("gives equal bytes for equal input, and one fingerprint for all backends", () => {
    const slot = fc.option(
      fc.record({
        name: fc.stringMatching(/^m[0-9]{1,3}$/),
        address: fc.oneof(fc.ipV4(), fc.ipV6()),
        port: fc.integer({ min: 1, max: 65535 }),
      }),
      { nil: undefined },
    );
    fc.assert(
      fc.property(fc.array(slot, { maxLength: 20 }), (slots) => {
        const text = renderHaproxyConfig(SPEC, slots);
        assert.equal(text, renderHaproxyConfig(structuredClone(SPEC), [...slots]));
        assert.ok(text.includes(`description spec-${fingerprintSpec(SPEC)}\n`));
        const servers = text.split("\n").filter((line) => /^ {2}server s\d/.test(line));
        assert.equal(servers.length, 4 * slots.length, "ready, alive, fallback, reachable");
      }),
    );
  });

  it("has another fingerprint for another spec", () => {
    const others = [
      { ...SPEC, port: 7000 },
      { ...SPEC, allow: ["10.0.0.0/8"] },
      { ...SPEC, caFile: "/other.crt" },
      { ...SPEC, checks: { ...SPEC.checks, rise: 3 } },
      { ...SPEC, updaterSocket: "/run/other.sock" },
    ];
    const all = new Set([SPEC, ...others].map(fingerprintSpec));
    assert.equal(all.size, others.length + 1);
  });
});
