import { stringify } from "yaml";

/** An object of the Kubernetes API, as `kubectl apply` takes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    /** Default: the object has no namespace, or the reader's default. */
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** The objects as one YAML file with a document each, in this order. */
export function toYaml(manifests: readonly Manifest[]): string {
  return manifests.map((manifest) => `---\n${stringify(manifest, FORMAT)}`).join("");
}

const FORMAT = {
  // Kubernetes reads YAML 1.1, to which a plain `on` or `yes` is a boolean
  compat: "yaml-1.1",
  // an anchor would tie two fields together when somebody edits the file
  aliasDuplicateObjects: false,
  lineWidth: 0,
} as const;

/** Values of a Secret's `data`. */
export function base64Values(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
}
