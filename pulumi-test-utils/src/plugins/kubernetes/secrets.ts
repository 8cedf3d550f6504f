import { containsSecret, isObject, isSecretValue, secretValue, type Properties } from "../../wire";

/**
 * Marks in `outs` what is secret in `ins`: objects are gone through, a list with a secret is secret as a whole. Data of a
 * Secret is always secret.
 */
export function annotateSecrets(outs: Properties, ins: Properties): Properties {
  if (outs.kind === "Secret") {
    const marked = ["data", "stringData"]
      .filter((key) => key in outs)
      .map((key) => [key, secretValue(outs[key])]);
    return { ...outs, ...Object.fromEntries(marked) };
  }
  const entries = Object.entries(outs).map(([key, out]): [string, unknown] => {
    const from = ins[key];
    if (isObject(out) && isObject(from) && !isSecretValue(from)) {
      return [key, annotateSecrets(out, from)];
    }
    return [key, containsSecret(from) ? secretValue(out) : out];
  });
  return Object.fromEntries(entries) as Properties;
}
