import { serve } from "../protocol/serve";
import type { Provider } from "../protocol/provider";

void serve("4.34.2", (): Provider => {
  throw new Error("not there yet");
});
