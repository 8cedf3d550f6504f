import assert from "node:assert/strict";
import { Metrics } from "../../../updater/report/metrics";

describe("Metrics", () => {
  it("render as Prometheus text, with each kind of error from the start", () => {
    const metrics = new Metrics();
    metrics.revision = '12"\n';
    metrics.countError("api");
    const text = metrics.render();
    assert.match(text, /^control_plane_lb_updater_applied_info\{revision="12"\} 1$/m);
    assert.match(text, /^control_plane_lb_updater_errors_total\{kind="api"\} 1$/m);
    assert.match(text, /^control_plane_lb_updater_errors_total\{kind="reload"\} 0$/m);
    for (const line of text.trim().split("\n")) {
      assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e+]+)$/);
    }
  });
});
