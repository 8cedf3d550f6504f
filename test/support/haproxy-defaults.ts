import { haproxyOf, updaterOf } from "../../stacks/assemble";
import { haproxy, updater } from "../../stacks/schema-haproxy";

const { maxConnections, timeouts, checks } = haproxyOf(haproxy.parse(undefined));

/** What haproxy.cfg says without any configuration, apart from paths, ports and addresses. */
export const HAPROXY_DEFAULTS = { maxConnections, timeouts, checks };

const { drainSeconds, retainSeconds } = updaterOf(updater.parse(undefined));

/** The updater's settings without any configuration. */
export const UPDATER_DEFAULTS = { drainSeconds, retainSeconds };
