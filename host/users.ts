import { HOST_STATE_DIR } from "../names";
import type { SystemUser } from "./part";
import { quote } from "./shell";

/** A folder per account that we made, with a file per part that needs it. */
const MADE = `${HOST_STATE_DIR}/users`;

/** Sh (for `hostScript`): creates the accounts that are missing; each is noted before. */
export function createUsers(owner: string, users: readonly SystemUser[]): string {
  return users
    .map(
      ({ name, comment }) => `if [ -d ${MADE}/${name} ] || ! id -u ${name} >/dev/null 2>&1; then
  mkdir -p ${MADE}/${name}
  : >${MADE}/${name}/${owner}
fi
id -u ${name} >/dev/null 2>&1 ||
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \\
    --comment ${quote(comment)} ${name}`,
    )
    .join("\n");
}

/** Sh (for `hostScript`): deletes the accounts that we made, unless another part needs them. */
export function deleteUsers(owner: string, users: readonly SystemUser[]): string {
  return users
    .map(
      ({ name }) => `if [ -e ${MADE}/${name}/${owner} ]; then
  if [ "$(ls ${MADE}/${name})" = ${owner} ] && id -u ${name} >/dev/null 2>&1; then userdel ${name}; fi
  rm -f ${MADE}/${name}/${owner}
  rmdir ${MADE}/${name} ${MADE} 2>/dev/null || :
fi`,
    )
    .join("\n");
}
