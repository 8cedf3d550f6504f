import assert from "node:assert/strict";
import { IMAGES } from "../../../lab/src/index";
import { NODE_VERSION } from "../../../lab/src/image-roots";
import { read } from "../stacks/example";

describe("images of the lab", () => {
  it("include the default image of HAProxy", () => {
    assert.equal(read().haproxy.image, IMAGES.haproxy);
  });

  it("include the default image of the updater", () => {
    assert.equal(read().updater.image, IMAGES.node);
  });

  it("tag the updater's image with the major version of its Node.js", () => {
    const [major] = NODE_VERSION.split(".");
    assert.match(IMAGES.node, new RegExp(`:${major}-trixie-slim$`));
  });
});
