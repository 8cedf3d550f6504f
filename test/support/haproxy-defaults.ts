import { haproxy, updater } from "../../stacks/schema-haproxy";

const { maxConnections, maxConnectionsPerSource, timeouts, checks } = haproxy.parse(undefined);

/** What haproxy.cfg says without any configuration, apart from paths, ports and addresses. */
export const HAPROXY_DEFAULTS = { maxConnections, maxConnectionsPerSource, timeouts, checks };

const { drainSeconds, retainSeconds } = updater.parse(undefined);

/** The updater's settings without any configuration. */
export const UPDATER_DEFAULTS = { drainSeconds, retainSeconds };
