import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from "node:crypto";

// the passphrase secrets provider of Pulumi: sdk/go/common/resource/config/crypt.go
const ITERATIONS = 1_000_000;
const KEY_BYTES = 32;
const SALT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Plain text of the salt's check value. */
const PROBE = "pulumi";

/**
 * Encrypts configuration as the engine's passphrase provider does. `pulumi config set` would put
 * secrets on a command line.
 */
export class Crypter {
  private constructor(
    private readonly key: Buffer,
    /** Value of `encryptionsalt` in the stack's settings. */
    readonly salt: string,
  ) {}

  /** A crypter with a new salt. */
  static create(passphrase: string): Crypter {
    const salt = randomBytes(SALT_BYTES);
    const key = derive(passphrase, salt);
    return new Crypter(key, `v1:${salt.toString("base64")}:${seal(key, PROBE)}`);
  }

  /** A crypter for existing settings. @throws if the passphrase is wrong */
  static open(passphrase: string, encryptionSalt: string): Crypter {
    const [version, salt = "", ...probe] = encryptionSalt.split(":");
    if (version !== "v1") throw new Error(`encryptionsalt: version ${version}, expected v1`);
    const key = derive(passphrase, Buffer.from(salt, "base64"));
    try {
      if (unseal(key, probe.join(":")) === PROBE) return new Crypter(key, encryptionSalt);
    } catch {
      // falls through: the authentication failed
    }
    throw new Error("encryptionsalt: the passphrase does not fit the stack's settings");
  }

  /** Value of `secure:` in the stack's settings. */
  encrypt(text: string): string {
    return seal(this.key, text);
  }

  decrypt(sealed: string): string {
    return unseal(this.key, sealed);
  }
}

function derive(passphrase: string, salt: Buffer): Buffer {
  return pbkdf2Sync(passphrase, salt, ITERATIONS, KEY_BYTES, "sha256");
}

function seal(key: Buffer, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const data = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString("base64")}:${data.toString("base64")}`;
}

function unseal(key: Buffer, sealed: string): string {
  const [, nonce = "", data = ""] = sealed.split(":");
  const bytes = Buffer.from(data, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  return decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
}
