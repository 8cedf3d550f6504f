import { containsSecret, isObject, isSecretValue, secretValue, type Properties } from "../../wire";

/**
 * Marks in `outs` the secrets of `ins`. A list with a secret is secret as a whole, and data of a
 * Secret always is.
 */
export function annotateSecrets(outs: Properties, ins: Properties): Properties {
  const marked: Properties = { ...outs };
  if (outs.kind === "Secret") {
    for (const key of ["data", "stringData"]) {
      if (key in outs) marked[key] = secretValue(outs[key]);
    }
    return marked;
  }
  for (const [key, out] of Object.entries(outs)) {
    const from = ins[key];
    if (isObject(out) && isObject(from) && !isSecretValue(from)) {
      marked[key] = annotateSecrets(out, from);
    } else if (containsSecret(from)) {
      marked[key] = secretValue(out);
    }
  }
  return marked;
}
