import { buildProgram, logToStderr } from "../../tools/src/index";
import { makeParts } from "../src/index";

/** Builds what a lab with a cluster needs and prints the folders, one a line. */
async function main(): Promise<void> {
  const { lowers, imageLayout } = await makeParts(logToStderr);
  const programs = ["etcd", "kubernetes", "pulumi"] as const;
  for (const name of programs) console.log(await buildProgram(name, logToStderr));
  for (const lower of lowers) console.log(lower);
  console.log(imageLayout.replace(/\/oci$/, ""));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
