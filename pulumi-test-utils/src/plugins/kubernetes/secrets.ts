import { containsSecret, isObject, isSecretValue, secretValue, type Properties } from "../../wire";

/**
 * Marks in `outs` what is secret in `ins`: objects are gone through, a list with a secret is secret as a whole. Data of a
 * Secret is always secret.
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
