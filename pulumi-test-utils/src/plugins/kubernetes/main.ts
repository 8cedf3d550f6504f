import { serve } from "../protocol/serve";
import { kubernetesProvider } from "./provider";

void serve("4.34.2", kubernetesProvider);
