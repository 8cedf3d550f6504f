import { serve } from "../protocol/serve";
import { commandProvider } from "./provider";

void serve("1.2.1", commandProvider);
