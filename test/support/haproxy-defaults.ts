import { haproxy } from "../../stacks/schema-haproxy";

const { maxConnections, timeouts, checks } = haproxy.parse(undefined);

/** What haproxy.cfg says without any configuration, apart from paths, ports and addresses. */
export const HAPROXY_DEFAULTS = { maxConnections, timeouts, checks };
