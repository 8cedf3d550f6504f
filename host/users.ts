import { HOST_STATE_DIR } from "../names";
import type { SystemUser } from "./part";
import { quote } from "./shell";

/** Markers, written before an account is created: removal deletes only accounts that we created. */
const MADE = `${HOST_STATE_DIR}/users`;

/** Sh (for `hostScript`): creates the accounts that are missing. */
export function createUsers(users: readonly SystemUser[]): string {
  return users
    .map(
      ({ name, comment }) => `if ! id -u ${name} >/dev/null 2>&1; then
  mkdir -p ${MADE}
  : >${MADE}/${name}
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \\
    --comment ${quote(comment)} ${name}
fi`,
    )
    .join("\n");
}

/** Sh (for `hostScript`): deletes the accounts that we made. */
export function deleteUsers(users: readonly SystemUser[]): string {
  return users
    .map(
      ({ name }) => `if [ -e ${MADE}/${name} ]; then
  ! id -u ${name} >/dev/null 2>&1 || userdel ${name}
  rm -f ${MADE}/${name}
  rmdir ${MADE} 2>/dev/null || :
fi`,
    )
    .join("\n");
}
