/** Certificates of a cluster's CA. Pure. */
import { X509Certificate } from "node:crypto";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * HAProxy and Node.js verify a chain up to a self-signed certificate, unlike kubectl and curl, for
 * which an intermediate CA alone is enough.
 * @returns what is missing and what to do; undefined when nothing is, or the text has no
 *   certificate that can be read
 */
export function missingRoot(pem: string): string | undefined {
  const all = (pem.match(CERTIFICATE) ?? []).flatMap(parseCertificate);
  // Each step of a chain takes another certificate: longer ones are loops.
  const endsInRoot = (certificate: X509Certificate, steps = all.length): boolean =>
    certificate.checkIssued(certificate) ||
    (steps > 0 && all.some((it) => certificate.checkIssued(it) && endsInRoot(it, steps - 1)));
  const lost = all.find((certificate) => !endsInRoot(certificate));
  if (lost === undefined) return undefined;
  return (
    `the CA certificate "${oneLine(lost.subject)}" is signed by "${oneLine(lost.issuer)}", which is ` +
    "not there: HAProxy and Node.js verify up to a self-signed root. Append the root's certificate"
  );
}

function parseCertificate(pem: string): X509Certificate[] {
  try {
    return [new X509Certificate(pem)];
  } catch {
    return [];
  }
}

/** `CN=a, O=b`: Node.js separates the parts of a name by line ends. */
function oneLine(name: string): string {
  return name.split("\n").join(", ");
}
