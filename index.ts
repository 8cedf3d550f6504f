import { program } from "./stacks/program";

// Pulumi calls it; what it returns are the stack's outputs.
export = program;
