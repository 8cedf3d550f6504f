import { utils } from "ssh2";

/** A new key pair for SSH: the private key in OpenSSH form, the public one as a line of authorized_keys. */
export function keyPair(passphrase?: string): { private: string; public: string } {
  const options = passphrase === undefined ? {} : { passphrase, cipher: "aes256-ctr", rounds: 4 };
  // about one in 200 generated keys cannot be parsed
  for (;;) {
    const pair = utils.generateKeyPairSync("ed25519", options as never);
    if (!(utils.parseKey(pair.private, passphrase) instanceof Error)) return pair;
  }
}
